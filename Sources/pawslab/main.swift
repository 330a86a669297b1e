print("pawslab")
