import Foundation
import Links
import Primitives
import Store
import Synchronization
import Testing

/// Readers on threads of their own while the writer works.
@Suite struct ConcurrencyTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// What was acknowledged, in that order, and what readers made of it.
    private final class Ledger: Sendable {
        typealias Line = (code: [UInt8], destination: String)
        private let lines = Mutex<[Line]>([])
        private let counts = Mutex((seen: 0, wrong: 0))

        func append(_ line: Line) { lines.withLock { $0.append(line) } }
        func lines(from index: Int) -> [Line] { lines.withLock { Array($0[index...]) } }
        func add(seen: Int, wrong: Int) {
            counts.withLock { $0 = ($0.seen + seen, $0.wrong + wrong) }
        }
        var result: (seen: Int, wrong: Int) { counts.withLock { $0 } }
    }

    /// Reads what was acknowledged so far, and every tenth of what it read before, until told to stop.
    private static func read(_ store: Store, _ ledger: Ledger, until isDone: Flag) {
        let reader = try! store.makeReader()
        var known: [Ledger.Line] = []
        var (seen, wrong) = (0, 0)
        var isLast = false
        while !isLast {
            isLast = isDone.value
            let new = ledger.lines(from: known.count)
            for line in new + stride(from: 0, to: known.count, by: 10).map({ known[$0] }) {
                seen += 1
                if (try? reader.destination(line.code)) != line.destination { wrong += 1 }
            }
            known += new
        }
        ledger.add(seen: seen, wrong: wrong)
    }

    /// From the moment of its acknowledgement every reader sees a link, and sees it whole.
    @Test func readersSeeWhatWasAcknowledged() throws {
        let (readers, batches, batchSize) = (3, 100, 40)
        try withStore(settings(directory, clock: clock)) { store in
            let (ledger, isDone) = (Ledger(), Flag(false))
            let threads = (0..<readers).map { number in
                SystemThread("reader-\(number)") { Self.read(store, ledger, until: isDone) }
            }
            let done = DispatchGroup()
            for batch in 0..<batches {
                clock.advance(milliseconds: 10)
                for number in 0..<batchSize {
                    let destination = "https://\(batch)-\(number).example.com/"
                    let alias =
                        number % 4 == 0
                        ? try Alias(Array("name-\(batch)-\(number)".utf8).span.bytes, in: store.codeSpace) : nil
                    done.enter()
                    store.create(NewLink(alias: alias, body: body(destination))) { result in
                        if case .success(let link) = result { ledger.append((link.code, destination)) }
                        done.leave()
                    }
                }
                _ = store.figures
                if batch % 10 == 0 { done.wait() }
            }
            done.wait()
            isDone.value = true
            threads.forEach { $0.join() }
            #expect(ledger.lines(from: 0).count == batches * batchSize)
            #expect(ledger.result.wrong == 0 && ledger.result.seen >= readers * batches * batchSize)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Writes that come while the store closes are made or refused, and each is answered once.
    @Test func closingAnswersEveryWrite() throws {
        let made = Mutex<Links>([:])
        let refused = Mutex(0)
        try withStore(settings(directory, clock: clock)) { store in
            clock.advance(milliseconds: 1000)
            let threads = (0..<3).map { thread in
                SystemThread("creator-\(thread)") {
                    for number in 0..<500 {
                        let destination = "https://\(thread)-\(number).example.com/"
                        switch store.createAndWait(NewLink(body: body(destination))) {
                        case .success(let link): made.withLock { $0[link.code] = destination }
                        case .failure(let error):
                            if error == .stopping { refused.withLock { $0 += 1 } }
                        }
                    }
                }
            }
            while made.withLock({ $0.count }) < 100 { sched_yield() }
            store.close()
            threads.forEach { $0.join() }
            #expect(made.withLock { $0.count } + refused.withLock { $0 } == 1500)
        }
        try withStore(settings(directory, clock: clock)) { try $0.expect(made.withLock { $0 }) }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
