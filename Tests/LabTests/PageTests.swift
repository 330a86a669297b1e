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

  /// Injected likewise: opens a case and measures what is where.
  private static let surveyor = """
    <style>.map,.case{content-visibility:visible!important}</style>
    <script>addEventListener('load',()=>setTimeout(async()=>{const wait=()=>new Promise(f=>setTimeout(f,20));
    const out={complaints,outside:[],width:innerWidth,drawn:0,scale:0},answer=document.querySelector('.answer');
    out.answer=Math.max(...[...answer.querySelectorAll('li,dd')].map(e=>e.getBoundingClientRect().bottom+scrollY));
    out.answerText=answer.innerText;out.words=document.body.innerText;
    const cell=[...document.querySelectorAll('.map td.dropped a')].find(a=>document.querySelector(a.hash+' .draw'));
    if(cell){cell.click();await wait();await wait();const open=document.querySelector('.case[open]');
      out.drawn=open.querySelectorAll('svg path').length;
      out.scale=Math.min(...[...open.querySelectorAll('svg text')].map(t=>t.getBoundingClientRect().height));
      for(const more of open.querySelectorAll('details'))more.open=true}
    for(const e of document.querySelectorAll('body *')){if(e.closest('svg')&&!e.matches('svg')||!e.checkVisibility())continue;
      const r=e.getBoundingClientRect();if(r.width&&(r.right>innerWidth+0.5||r.left<-0.5))out.outside.push(e.outerHTML.slice(0,80)+' '+r.right)}
    for(const t of document.querySelectorAll('svg text')){const r=t.getBoundingClientRect(),s=t.ownerSVGElement.getBoundingClientRect();
      if(r.right>s.right+1||r.left<s.left-1)out.outside.push('text '+t.textContent)}
    parent.postMessage(JSON.stringify(out),'*')},50))</script>
    """

  /// A window has at least 500 pixels; a frame in it is as narrow as it is said to be.
  private static func frames(_ sizes: [(width: Int, height: Int)]) -> String {
    let frames = sizes.enumerated().map {
      "<iframe src=\"page\($0).html\" width=\"\($1.width)\" height=\"\($1.height)\" style=\"border:0\"></iframe>"
    }
    return """
      <!doctype html><script>const told={};addEventListener('message',e=>{
      for(let i=0;i<\(sizes.count);i++)if(e.source===frames[i])told[i]=JSON.parse(e.data);
      if(Object.keys(told).length===\(sizes.count))document.documentElement.innerHTML=
      '<pre id=out>'+JSON.stringify(Object.values(told)).replace(/&/g,'&amp;').replace(/</g,'&lt;')+'</pre>'})</script>
      <body>\(frames.joined())</body>
      """
  }

  private struct Survey: Decodable {
    var complaints: [String]
    var outside: [String]
    var width: Int
    var answer: Double
    var answerText: String
    var drawn: Int
    var scale: Double
    var words: String
  }

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
    try show([ReadyPage(text: page, script: reader)], window: (width, 900), first: "page0.html")
  }

  private struct ReadyPage {
    var text: String
    var script: String
  }

  /// What scripts make of pages, of which one is shown in a window of that many pixels.
  private static func show<Answer: Decodable>(
    _ pages: [ReadyPage], window: (width: Int, height: Int), first: String, frame: String? = nil
  ) throws -> Answer {
    let folder = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (number, page) in pages.enumerated() {
      let text = page.text.replacingOccurrences(of: "<head>", with: "<head>" + listener)
        .replacingOccurrences(of: "</body>", with: page.script + "</body>")
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/page\(number).html"))
    }
    if let frame { try Data(frame.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(first)")) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(chromium))
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--window-size=\(window.width),\(window.height)",
      "--hide-scrollbars", "--timeout=20000", "--virtual-time-budget=20000",
      "--user-data-dir=\(folder)/profile",
      "--dump-dom", "file://\(folder)/\(first)",
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
    return try JSONDecoder().decode(Answer.self, from: Data(json.utf8))
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

  /// What a page is read on: a desk's window, a phone's, and a sheet of A4 between Chromium's margins.
  enum Medium: String, CaseIterable {
    case window, phone, paper

    var size: (width: Int, height: Int) {
      switch self {
      case .window: (1280, 800)
      case .phone: (390, 844)
      case .paper: (717, 1046)
      }
    }

    /// The page as that has it: a window takes what is for paper, and nothing else, for its own.
    func page(_ text: String) -> String {
      guard self == .paper else { return text }
      return text.replacingOccurrences(of: "@media print{", with: "@media all{")
        .replacingOccurrences(of: "@media (max-width:45rem){", with: "@media (max-width:0){")
    }
  }

  /// What the run came to is there without scrolling or turning over, and nothing is beside the screen or the sheet: of
  /// many lab files in short, of one in sentences.
  @Test func theAnswerIsOnTheFirstScreenAndNothingIsCutOff() throws {
    let wholes = Medium.allCases.flatMap { [($0, true), ($0, false)] }
    let pages = try [true, false].map { try Self.page(isWhole: $0) }
    let seen: [Survey] = try Self.show(
      wholes.map { ReadyPage(text: $0.page(pages[$1 ? 0 : 1]), script: Self.surveyor) }, window: (1400, 1200),
      first: "frames.html", frame: Self.frames(wholes.map(\.0.size)))
    #expect(seen.count == wholes.count)
    for ((medium, isWhole), seen) in zip(wholes, seen) {
      let (width, height) = medium.size
      let at: Comment = "\(medium), \(isWhole ? "many lab files" : "one")"
      #expect(seen.complaints.isEmpty && seen.width == width, at)
      #expect(seen.answer <= Double(height), "\(at): it ends at \(seen.answer): \(seen.answerText)")
      #expect(
        seen.answerText.contains(
          isWhole ? "Dropped or delayed by tw-paws in " : "by tw-paws where late.clock"), at)
      #expect(seen.outside.isEmpty, "\(at): \(seen.outside.count): \(seen.outside.prefix(9))")
      for words in [
        "pawslab 9.9", "pawslab run lab --kernel host,debian-11,debian-12 --out 'a folder'", "UTC",
      ] {
        #expect(seen.words.contains(words), at)
      }
      // A ladder's letters are not smaller than can be read.
      if isWhole { #expect(seen.drawn > 0 && seen.scale >= 9, "\(at): \(seen.drawn), \(seen.scale) px") }
    }
  }

  /// What was recorded with its ladders and beside it the widest table that there is; or that alone, on one kernel.
  private static func page(isWhole: Bool) throws -> String {
    let (folder, results) = try recorded()
    var shown = results
    if !isWhole { (shown.cases, shown.kernels) = ([], [:]) }
    for name in isWhole ? ["host", "debian-12", "linux-6.99-rc1-with-a-long-name"] : ["host"] {
      shown.kernels[name] = PlanTests.kernel()
      shown.cases += SentencesTests.library.filter { $0.scenario == "time-wait-clash" }.map { entry in
        var entry = entry
        entry.kernel = name
        return entry
      }
    }
    var plan = PlannedRun([(test: Case, kernel: String)](), kernels: [:])
    plan.command = ["pawslab", "run", "lab", "--kernel", "host,debian-11,debian-12", "--out", "a folder"]
    plan.program = "pawslab 9.9"
    return HTMLReport(shown, title: "survey", origin: .init(plan)) { entry in
      entry.kernel == results.kernelNames.first ? try? folder.load(entry.id, kernel: entry.kernel) : nil
    }.text
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
