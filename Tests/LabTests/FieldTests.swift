import Testing

/// What people have met, as lab files: each is judged on this machine's kernel, and none ends in an error.
@Suite struct FieldTests {
  @Test func whatPeopleMeetIsJudged() throws {
    let ended = try ProgramTests.run([
      "run", "Tests/Field", "--allow-exec", "--host-only", "--jobs", "4",
    ])
    #expect(ended.status == 0, "\(ended.output.suffix(4000)) \(ended.errors.suffix(500))")
    #expect(ended.output.contains(" 0 failed, "))
    #expect(ended.output.contains(" 0 errors"))
  }
}
