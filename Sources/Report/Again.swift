import Model

extension Results.Entry {
  /// The one command that runs it again, as a shell takes it; from its seed it shows the same packets to the nanosecond.
  public var command: String {
    var words = ["pawslab"]
    if over == nil, seed != nil {
      words += ["explain", "--run"]
      if let source { words.append(ShellWord.option("--lab", source.file)) }
      words.append(ShellWord.option("--kernel", kernel))
    } else {
      words.append("run")
      if let source {
        words.append(ShellWord.quoted(source.file.hasPrefix("-") ? "./" + source.file : source.file))
      }
      // Another that is called so is no emulation for that.
      let name = emulation.flatMap { _ in try? ResultName(kernel) }
      words.append(ShellWord.option("--kernel", name?.kernel.text ?? kernel))
      if let emulation { words.append("\(emulation.option)") }
    }
    if let over { words.append("--seeds \(over)") }
    if let seed { words.append("--seed \(seed)") }
    if runsPrograms == true { words.append("--allow-exec") }
    if over == nil, seed != nil {
      if id.hasPrefix("-") { words.append("--") }
      words.append(ShellWord.quoted(id))
    } else {
      words.append(ShellWord.option("--case", id))
    }
    return words.joined(separator: " ")
  }
}
