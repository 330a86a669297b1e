import Worker

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

exit(Worker.main())
