public enum LabFilePlaceholder {}
