import Foundation
import LabFile
import Model
import Report
import Testing
import TestSupport

/// The page that a run leaves, in a browser that nobody looks at. Needs chromium.
private let chromium = Needs.program("chromium", "chromium-browser")

@Suite(.serialized, .enabled(if: Needs.met(chromium != nil), "SKIPPED: needs chromium"))
struct PageTests {
  /// Injected before everything else: complaints are kept.
  private static let listener = """
    <script>window.complaints=[];addEventListener('error',e=>complaints.push(String(e.message)));
    for(const k of ['error','warn']){const f=console[k];console[k]=(...a)=>{complaints.push(a.join(' '));f(...a)}}</script>
    """

  /// Injected after everything else: tries the page as a reader would, and writes down what came of it.
  private static let reader = """
    <script>addEventListener('load',()=>setTimeout(async()=>{const wait=()=>new Promise(f=>setTimeout(f,20));
    const t=performance.getEntriesByType('navigation')[0],out={load:t.loadEventEnd-t.startTime,complaints};
    const cells=[...document.querySelectorAll('.map td a')];out.cells=cells.length;out.wrong=[];out.drawn=0;
    const sample=cells.filter((_,i)=>i%Math.ceil(cells.length/40)===0);out.tried=sample.length;
    for(const a of sample){a.focus();if(document.activeElement!==a)out.wrong.push('no focus '+a.hash);a.click();await wait();
      const c=document.querySelector(a.hash);const said=a.getAttribute('aria-label');
      if(!c||!c.open)out.wrong.push('closed '+a.hash);
      else if(!said.startsWith(c.querySelector('summary').innerText.replace(/^\\S+( \\(emulated\\))? /,'').replace(/ on \\S+$/,'')))
        out.wrong.push('elsewhere '+said);
      else if(document.activeElement!==c.firstElementChild)out.wrong.push('focus stays '+a.hash);
      if(c&&c.querySelector('svg path'))out.drawn++}
    out.remote=[...document.querySelectorAll('[src],link[href]')].map(e=>e.src||e.href).filter(u=>!u.startsWith('data:'));
    out.wide=document.documentElement.scrollWidth>innerWidth;
    document.documentElement.innerHTML='<pre id=out>'+JSON.stringify(out).replace(/</g,'&lt;')+'</pre>'},50))</script>
    """

  private struct Outcome: Decodable {
    var load: Double
    var complaints: [String]
    var cells: Int
    var tried: Int
    var drawn: Int
    var wrong: [String]
    var remote: [String]
    var wide: Bool
  }

  private static func open(_ page: String, width: Int = 1200) throws -> Outcome {
    let folder = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let text = page.replacingOccurrences(of: "<head>", with: "<head>" + listener)
      .replacingOccurrences(of: "</body>", with: reader + "</body>")
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/page.html"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(chromium))
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--window-size=\(width),900", "--timeout=20000",
      "--virtual-time-budget=20000", "--user-data-dir=\(folder)/profile", "--dump-dom",
      "file://\(folder)/page.html",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let dom = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let start = try #require(dom.range(of: "<pre id=\"out\">"), "\(dom.suffix(400))")
    let end = try #require(dom.range(of: "</pre>", range: start.upperBound..<dom.endIndex))
    let json = dom[start.upperBound..<end.lowerBound].replacingOccurrences(of: "&lt;", with: "<")
      .replacingOccurrences(of: "&gt;", with: ">").replacingOccurrences(of: "&amp;", with: "&")
    return try JSONDecoder().decode(Outcome.self, from: Data(json.utf8))
  }

  private static func recorded() throws -> (RunFolder, Results) {
    let folder = try RunFolder(reading: RecordedTests.folder)
    return (folder, try folder.loadResults())
  }

  @Test(arguments: [1200, 360]) func everyCellLeadsToItsCaseWithoutAComplaint(width: Int) throws {
    let (folder, results) = try Self.recorded()
    let page = HTMLReport(results, title: "<recorded>") { try? folder.load($0.id, kernel: $0.kernel) }.text
    let seen = try Self.open(page, width: width)
    #expect(seen.complaints.isEmpty, "\(seen.complaints)")
    #expect(seen.wrong.isEmpty, "\(seen.wrong)")
    #expect(seen.cells == results.cases.count)
    #expect(seen.drawn == seen.tried)
    #expect(seen.remote.isEmpty, "\(seen.remote)")
    #expect(!seen.wide, "the page itself must not scroll sideways")
  }

  /// A thousand cases with all their evidence.
  @Test func aThousandCasesOpenInUnderTwoSeconds() throws {
    var (folder, results) = try Self.recorded()
    let own = results.cases
    results.cases = (0..<1000).map { number in
      var entry = own[number % own.count]
      entry.kernel = "linux-4.9"
      entry.id = "\(entry.id),copy=\(number / own.count)"
      return entry
    }
    let known = Dictionary(
      uniqueKeysWithValues: try own.map { ($0.id, try folder.load($0.id, kernel: $0.kernel)) })
    let page = HTMLReport(results, title: "many") { entry in
      entry.id.range(of: ",copy=").map { String(entry.id[..<$0.lowerBound]) }.flatMap { known[$0] }
    }.text
    let seen = try Self.open(page)
    #expect(seen.cells == 1000)
    #expect(seen.complaints.isEmpty && seen.wrong.isEmpty, "\(seen)")
    #expect(seen.load < 2000, "loaded in \(seen.load) ms")
  }
}
