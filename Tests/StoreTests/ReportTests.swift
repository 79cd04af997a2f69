import Foundation
import Links
import Primitives
import Synchronization
import Testing

@testable import Store

/// Waits for what a store's operation calls back with.
func wait<Success>(
    _ operation: (@escaping @Sendable (Result<Success, WriteError>) -> Void) -> Void
) -> Result<Success, WriteError> {
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var result: Result<Success, WriteError>?
    operation { outcome in
        result = outcome
        done.signal()
    }
    done.wait()
    return result!
}

extension Store {
    fileprivate func take(_ id: UInt128, _ link: LinkKey, at now: Instant) throws -> ReportOutcome {
        let body = ReportBody(link, category: "phishing", reportedAt: now)
        return try wait { report(id, body, completion: $0) }.get()
    }

    fileprivate func decide(_ id: UInt128, _ verdict: ReportBody.Verdict) throws -> DecidedReport? {
        let decision = ReportDecision(id: id, verdict, reason: "because", by: Array("admin".utf8))
        return try wait { decide(decision, completion: $0) }.get()
    }

    fileprivate func all(limit: Int = 1000) throws -> [StoredReport] {
        try reports(after: nil, limit: limit) { _ in true }.reports
    }

    fileprivate func acts() throws -> [String] {
        try auditTrail(before: nil, limit: 100).lines.map { $0.body.act }
    }
}

/// Reports, decisions, and what is written down of them.
@Suite struct ReportTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private var own: StoreSettings { clusterSettings(directory, clock: clock) }

    /// Reports of one link share the high half of their ids.
    private func id(_ link: UInt64, _ client: UInt64) -> UInt128 { UInt128(link) << 64 | UInt128(client) }

    private func links(_ store: Store, _ count: Int = 2) throws -> [CreatedLink] {
        try (0..<count).map { try store.createAndWait("https://example.com/\($0)", alias: "name-\($0)") }
    }

    @Test func takenListedAndDecided() throws {
        try withStore(own) { store in
            let links = try links(store)
            for client in 0..<5 as Range<UInt64> {
                clock.advance(milliseconds: 10)
                #expect(try store.take(id(1, client), links[0].key, at: clock.now) == .taken)
                #expect(try store.take(id(1, client), links[0].key, at: clock.now) == .known)
            }
            #expect(try store.take(id(2, 9), links[1].key, at: clock.now) == .taken)
            let order = (0..<5).map { id(1, $0) } + [id(2, 9)]
            #expect(try store.all().map(\.id) == order)
            for limit in 1...7 {
                var (seen, place): ([UInt128], UInt128?) = ([], nil)
                repeat {
                    let page = try store.reports(after: place, limit: limit) { $0.decision == nil }
                    seen += page.reports.map(\.id)
                    place = page.next
                } while place != nil
                #expect(seen == order, "pages of \(limit)")
            }

            let dismissed = try #require(try store.decide(id(1, 2), .dismiss))
            #expect(dismissed.count == 1 && dismissed.report.body.decision?.verdict == .dismiss)
            #expect(try store.standing(links[0].key) == nil)
            // To block decides what is open of the link, and nothing of others.
            let blocked = try #require(try store.decide(id(1, 0), .block))
            #expect(blocked.count == 4 && blocked.sequence == store.figures.head)
            #expect(try store.standing(links[0].key)?.isBlocked == true)
            #expect(try store.reports(after: nil, limit: 9) { $0.decision == nil }.reports.map(\.id) == [id(2, 9)])
            let verdicts = try store.all().map { $0.body.decision?.verdict }
            #expect(verdicts == [.block, .block, .dismiss, .block, .block, nil])
            // The last decision stands, and lifts nothing.
            #expect(try store.decide(id(1, 0), .dismiss)?.report.body.decision?.verdict == .dismiss)
            #expect(try store.standing(links[0].key)?.isBlocked == true)
            #expect(try store.decide(id(7, 7), .block) == nil)
            #expect(try store.acts() == ["report-dismiss", "report-block", "block", "report-dismiss"])
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
        // And after a restart.
        try withStore(own) { store in
            #expect(try store.acts().count == 4 && store.all().count == 6)
            let lines = try store.auditTrail(before: nil, limit: 1)
            #expect(lines.next == lines.lines[0].key && lines.lines[0].origin == store.origin)
            let rest = try store.auditTrail(before: lines.lines[0].key, limit: 3)
            #expect(rest.next == nil && rest.lines.map(\.body.act) == ["report-block", "block", "report-dismiss"])
            #expect(rest.lines[1].body.subject == "/name-0" && rest.lines[1].body.by == Array("admin".utf8))
        }
    }

    /// A decision made elsewhere stands against a report that comes again; and of two the later one.
    @Test func decidedElsewhere() throws {
        try withStore(own) { store in
            let link = try links(store, 1)[0]
            var author = Author(since: clock.now.advanced(byMilliseconds: -10_000))
            var body = ReportBody(link.key, category: "spam", reportedAt: clock.now)
            body.decision = ReportBody.Decision(.dismiss, by: [1], at: clock.now, reason: "")
            author.write(.report(id(1, 1)), .report(body))
            #expect(try store.take(id(1, 1), link.key, at: clock.now) == .taken)
            // Its stamp is earlier than that of the open report here.
            #expect(store.applyAndWait(author.whole) == .applied)
            #expect(try store.all().map { $0.body.decision?.verdict } == [.dismiss])
            #expect(try store.take(id(1, 1), link.key, at: clock.now) == .known)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// However few of them are wanted, a look at the list reads so many rows at most.
    @Test func boundedPages() throws {
        try withStore(own) { store in
            let key = try links(store, 1)[0].key
            let count = StoreLimits.listedRows + 10
            var author = Author(since: clock.now.advanced(byMilliseconds: -60_000))
            for number in 1...UInt64(count) {
                author.write(
                    .report(id(number, 1)), .report(ReportBody(key, category: "spam", reportedAt: clock.now)))
            }
            #expect(store.applyAndWait(author.whole) == .applied)
            let first = try store.reports(after: nil, limit: 10) { $0.decision != nil }
            #expect(first.reports.isEmpty && first.next == id(UInt64(StoreLimits.listedRows), 1))
            let rest = try store.reports(after: first.next, limit: 10) { $0.decision == nil }
            #expect(rest.reports.count == 10 && rest.next == nil)
        }
    }

    @Test func bounds() throws {
        var small = own
        small.openReports = 130
        try withStore(small) { store in
            let links = try links(store)
            let most = UInt64(StoreLimits.openReportsOfLink)
            for client in 0..<most { #expect(try store.take(id(1, client), links[0].key, at: clock.now) == .taken) }
            #expect(try store.take(id(1, most), links[0].key, at: clock.now) == .known)
            for client in 0..<30 as Range<UInt64> {
                #expect(try store.take(id(2, client), links[1].key, at: clock.now) == .taken)
            }
            #expect(try store.take(id(2, 99), links[1].key, at: clock.now) == .tooMany)
            // Decided ones make room, here and elsewhere.
            #expect(try store.decide(id(2, 0), .dismiss)?.count == 1)
            #expect(try store.take(id(2, 99), links[1].key, at: clock.now) == .taken)
            #expect(try store.take(id(2, 100), links[1].key, at: clock.now) == .tooMany)
            var author = Author(since: clock.now.advanced(byMilliseconds: 10_000))
            var body = ReportBody(links[1].key, category: "spam", reportedAt: clock.now)
            body.decision = ReportBody.Decision(.dismiss, by: [1], at: clock.now, reason: "")
            author.write(.report(id(2, 1)), .report(body))
            #expect(store.applyAndWait(author.whole) == .applied)
            #expect(try store.take(id(2, 100), links[1].key, at: clock.now) == .taken)
            #expect(try store.take(id(2, 101), links[1].key, at: clock.now) == .tooMany)
        }
        // Counted anew by the next life.
        try withStore(small) { store in
            let other = LinkKey.alias(Array("name-1".utf8))
            let first = try store.take(id(3, 1), other, at: clock.now)
            #expect(first == .tooMany)
            #expect(try store.decide(id(1, 0), .block)?.count == StoreLimits.openReportsOfLink)
            #expect(try store.take(id(3, 1), other, at: clock.now) == .taken)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Acts are done where the trail cannot be written, and reports are not taken.
    @Test func beforeAllReadThem() throws {
        var older = own
        older.logFormat = UInt16(LogEntry.firstFormat)
        try withStore(older) { store in
            let link = try links(store, 1)[0]
            #expect(throws: WriteError.notReadByAll) { try store.take(id(1, 1), link.key, at: clock.now) }
            #expect(throws: WriteError.notReadByAll) { try store.decide(id(1, 1), .block) }
            #expect(wait { store.audit(AuditBody("reload", on: "", by: []), completion: $0) }.failure == .notReadByAll)
            let act = AuditBody("create-key", on: "1", by: [])
            #expect(wait { store.createKey(KeyID(1), KeyBody(), audit: act, completion: $0) }.failure == nil)
            #expect(try store.acts() == [] && store.figures.head == 2)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// A line goes with the act's own transaction, and none with what changed nothing.
    @Test func actsOfTheStore() throws {
        try withStore(own) { store in
            let link = try links(store, 1)[0]
            func act(_ name: String) -> AuditBody { AuditBody(name, on: "it", by: [1]) }
            #expect(
                wait { store.createKey(KeyID(1), KeyBody(), audit: act("create-key"), completion: $0) }.failure == nil)
            for _ in 0..<2 {
                #expect(wait { store.revokeKey(KeyID(1), audit: act("revoke-key"), completion: $0) }.failure == nil)
            }
            for _ in 0..<2 {
                let act = act("revoke-tokens")
                #expect(wait { store.revokeTokens(.jti, "one", audit: act, completion: $0) }.failure == nil)
            }
            #expect(wait { store.revokeKey(KeyID(2), audit: act("revoke-key"), completion: $0) }.failure == nil)
            for _ in 0..<2 {
                _ = wait { store.change(link.key, .delete, audit: act("delete-link"), completion: $0) }
            }
            #expect(wait { store.audit(act("reload"), completion: $0) }.failure == nil)
            try store.block(link.key)
            try store.block(link.key)
            try store.block(link.key, false)
            #expect(
                try store.acts() == [
                    "lift-block", "block", "reload", "delete-link", "revoke-tokens", "revoke-key", "create-key",
                ])
            // What a list says is no act of an admin.
            let other = try store.createAndWait("https://example.com/")
            _ = try store.moderateAndWait(.list("a", other.key, true)).get()
            #expect(try store.acts().count == 7)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    @Test func damagedRows() throws {
        try withStore(own) { store in
            let link = try links(store, 1)[0]
            for client in 0..<3 as Range<UInt64> { _ = try store.take(id(1, client), link.key, at: clock.now) }
            for name in ["a", "b", "c"] {
                #expect(wait { store.audit(AuditBody(name, on: "", by: []), completion: $0) }.failure == nil)
            }
        }
        try damageRow(directory.store, "blocks", ModerationKey.report(id(1, 1)).bytes)
        let trail = try withStore(own) { try $0.auditTrail(before: nil, limit: 9).lines }
        try damageRow(directory.store, "blocks", trail[1].key.bytes)
        try withStore(own) { store in
            let page = try store.reports(after: nil, limit: 9) { _ in true }
            #expect(page.reports.map(\.id) == [id(1, 0), id(1, 2)] && page.damagedCount == 1 && page.next == nil)
            #expect(throws: WriteError.damagedRecord) { try store.decide(id(1, 1), .block) }
            let left = try store.auditTrail(before: nil, limit: 9)
            #expect(left.lines.map(\.body.act) == ["c", "a"] && left.damagedCount == 1 && left.next == nil)
        }
    }

    /// More damage than one page looks at hides nothing behind it.
    @Test func muchDamage() throws {
        let acts = StoreLimits.damageScanRows + 2
        let (blocked, trail) = try withStore(own) { store in
            let links = try links(store, acts)
            for link in links { try store.block(link.key) }
            let blocks = try store.blocks(after: nil, limit: acts).blocks.map(\.block.key)
            for number in 0..<acts {
                #expect(wait { store.audit(AuditBody("\(number)", on: "", by: []), completion: $0) }.failure == nil)
            }
            return (blocks, try store.auditTrail(before: nil, limit: acts).lines.map(\.key))
        }
        let damaged = blocked.dropLast().map { ModerationKey.block($0) } + trail.dropLast()
        try damageRows(directory.store, "blocks", damaged.map(\.bytes))
        try withStore(own) { store in
            let first = try store.blocks(after: nil, limit: 9)
            #expect(first.blocks.isEmpty && first.damagedCount == StoreLimits.damageScanRows)
            let next = try store.blocks(after: first.next, limit: 9)
            #expect(next.blocks.map(\.block.key) == [blocked.last!] && next.damagedCount == 1 && next.next == nil)
            let newest = try store.auditTrail(before: nil, limit: 9)
            #expect(newest.lines.isEmpty && newest.damagedCount == StoreLimits.damageScanRows)
            let rest = try store.auditTrail(before: newest.next, limit: 9)
            #expect(rest.lines.map(\.body.act) == ["0"] + Array(repeating: "block", count: 8) && rest.damagedCount == 1)
        }
    }
}
