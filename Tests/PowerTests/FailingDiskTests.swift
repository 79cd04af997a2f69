import Foundation
import Testing

/// A disk that answers with errors, under load: strace gives the system's answers in its stead.
@Suite(.serialized, .timeLimit(.minutes(10))) struct FailingDiskTests {
    /// Which calls of the writer's thread fail, by kind and number, and with what.
    struct Fault: CustomTestStringConvertible, Sendable {
        var call: String
        var error: String
        var when: String
        var testDescription: String { "\(call) \(when): \(error)" }
        var option: String { "inject=\(call):error=\(error):when=\(when)" }
    }

    private enum Victim { case page, meta, sync, space }

    private struct Course {
        var hasEnded: Bool
        var victim: Victim
    }

    /// Runs a load through the fault. If the node ends, it ends as one that must; if it goes on, it refuses writes for a
    /// while, answers redirects and takes links again by itself. Either way nothing is lost and nothing is half there.
    private func undergo(_ fault: Fault) throws -> Course {
        var patient = try Patient()
        let notes = TemporaryDirectory()
        let file = notes.path + "/trace"
        let node = try patient.start(
            strace: TraceReader.options + ["-o", file, "-e", "trace=openat,\(fault.call)", "-e", fault.option])
        // The file is grown ahead of need, so that takes many links.
        let links = fault.call == "fallocate" ? 300 : 60
        let outcome = Load(name: "under", linksPerConnection: links, longPercent: 90).run(port: node.port)
        patient.note(outcome)
        let hasEnded = !outcome.unanswered.isEmpty
        if hasEnded {
            #expect(try node.waitForEnd() == 1)
            #expect(node.lines.contains { $0.contains("level=error event=must-end") }, "\(node.lines)")
            #expect(outcome.refused.isEmpty)
        } else {
            #expect(outcome.refused.keys.allSatisfy { $0 == 507 } && outcome.problems == ["storage-full"])
            try patient.expectRedirects(node)
            try patient.expectCreatesSoon(node)
            #expect(try node.drain() == 0)
        }
        try patient.expectRecovery()
        return Course(hasEnded: hasEnded, victim: try Self.victim(file))
    }

    /// What the first failing call was about.
    private static func victim(_ trace: String) throws -> Victim {
        let calls = try TraceReader.read(trace)
        let injected = calls.firstIndex(where: \.isInjected)
        let index = try #require(injected, "nothing failed")
        let call = calls[index]
        if call.name.contains("sync") { return .sync }
        if call.name == "fallocate" { return .space }
        let opening = calls[..<index].last { $0.name == "openat" && $0.result == call.integer(0) }
        return opening?.arguments[2].contains("O_DSYNC") == true ? .meta : .page
    }

    /// After a failed sync nobody knows what the disk holds: the node ends, and the next start reads it.
    @Test(arguments: ["1", "2", "5"])
    func aFailedSyncEndsTheNode(when: String) throws {
        let course = try undergo(Fault(call: "fdatasync", error: "EIO", when: when))
        #expect(course.hasEnded && course.victim == .sync)
    }

    /// Nor does anybody when the page failed that makes a commit valid. Which of the writer's calls that is depends on
    /// how links gather, so the fault moves on until it has met one.
    @Test(arguments: ["EIO", "ENOSPC"])
    func aFailedMetaPageEndsTheNode(error: String) throws {
        for number in 1...40 {
            let course = try undergo(Fault(call: "pwrite64", error: error, when: "\(number)"))
            guard course.victim == .meta else { continue }
            #expect(course.hasEnded)
            return
        }
        Issue.record("no fault met the meta page")
    }

    /// A page that cannot be written leaves the store as it was, whether the node then ends or not.
    @Test(arguments: ["1", "3"])
    func aFailedPageHarmsNothing(when: String) throws {
        let course = try undergo(Fault(call: "writev", error: "EIO", when: when))
        #expect(course.victim == .page)
    }

    /// Where the file of clicks fails, whatever was on its way: redirects go on, and every click is counted once.
    @Test(arguments: [
        Fault(call: "fdatasync", error: "EIO", when: "1"), Fault(call: "fdatasync", error: "EIO", when: "2"),
        Fault(call: "pwrite64", error: "EIO", when: "1"), Fault(call: "pwrite64", error: "ENOSPC", when: "2"),
        // What looks at the file's length behind a commit.
        Fault(call: "newfstatat", error: "EIO", when: "8"), Fault(call: "newfstatat", error: "EIO", when: "9"),
    ])
    func aFailingFileOfClicksLosesNone(fault: Fault) throws {
        let directory = TemporaryDirectory()
        let data = directory.path + "/data"
        let first = try EdgeProcess(data: data)
        let code = try #require(
            Client(port: first.port)?.create("{\"long_url\":\"https://a.example/\"}")?.member("short_code"))
        #expect(try first.drain() == 0)
        let node = try EdgeProcess(
            data: data, ["--click_flush", "100ms"],
            strace: [
                "-o", directory.path + "/trace", "-P", data + "/clicks/data.mdb", "-e", "trace=\(fault.call)", "-e",
                fault.option,
            ])
        let client = try #require(Client(port: node.port))
        // Until the fault has come and gone: each flush is one more try.
        var clicks = 0
        let deadline = ContinuousClock.now + .seconds(30)
        while !node.lines.contains(where: { $0.contains("event=clicks-available") }), ContinuousClock.now < deadline {
            #expect(client.redirect(code)?.status == 302)
            clicks += 1
        }
        #expect(node.lines.contains { $0.contains("event=clicks-unavailable") }, "\(node.lines)")
        #expect(try node.drain() == 0)
        #expect(!node.lines.contains { $0.contains("event=clicks-dropped") || $0.contains("event=clicks-set-aside") })
        let last = try EdgeProcess(data: data)
        #expect(Client(port: last.port)?.clicks(code) == clicks)
        #expect(try last.drain() == 0)
    }

    /// A full disk, wherever it is noticed, refuses writes and ends when there is room, without a restart.
    @Test(arguments: [
        Fault(call: "fallocate", error: "ENOSPC", when: "1..4"), Fault(call: "writev", error: "ENOSPC", when: "1..2"),
        Fault(call: "fdatasync", error: "ENOSPC", when: "1..2"),
    ])
    func aFullDiskRefusesWrites(fault: Fault) throws {
        let course = try undergo(fault)
        #expect(!course.hasEnded && course.victim != .meta)
    }
}
