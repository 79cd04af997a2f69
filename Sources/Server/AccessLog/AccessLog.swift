import Glibc
import Primitives
import Synchronization

/// The access log: each worker puts its records into a ring of its own, and one thread makes lines of them and writes
/// them out. Nothing waits for that thread: a record that has no room in its ring is dropped and counted.
///
///     worker ──▶ ByteRing ──┐
///     worker ──▶ ByteRing ──┴──▶ access-log: takes all, formats, writes ──▶ file, pipe, standard output
///
/// Safety: the queue and the atomics are shared; the rest belongs to the thread.
final class AccessLog: @unchecked Sendable {
    /// Records that a worker may be ahead, some 20 000.
    static let ringBytes = 1 << 20
    /// How often the rings are looked at while the log is on.
    private static let turnMilliseconds = 50
    /// How long the end of the process waits for the last lines, and a reload for the thread.
    private static let closingMilliseconds: Int64 = 1000

    private enum Order {
        /// Nil: nowhere. Closes `done` once that is so.
        case write(to: AccessLogSink?, done: WaitingQueue<Void>)
        case end
    }

    private let rings: [ByteRing]
    private let live: LiveConfiguration
    private let orders = WaitingQueue<Order>(capacity: 64)
    private let lostLines = Atomic<UInt64>(0)
    private let hasEnded = Atomic<Bool>(false)

    private var sink: AccessLogSink?
    private var text: AccessText
    private var seen: UInt64 = 0
    private var records: [UInt8] = []
    /// Lines that are not written yet, and how many; nothing is taken from the rings before they are.
    private var pending: [UInt8] = []
    private var pendingLines = 0
    /// The beginning of the first of them is written.
    private var isWithinLine = false
    /// The last write failed; it may have left a piece of a line.
    private var isFailing = false

    init(_ rings: [ByteRing], _ live: LiveConfiguration, _ sink: AccessLogSink?) {
        (self.rings, self.live, self.sink) = (rings, live, sink)
        text = AccessText(format: live.value.logFormat)
    }

    /// Lines that could not be written.
    var lostLineCount: UInt64 { lostLines.load(ordering: .relaxed) }

    /// From now on there, and in the format that is configured now; the one before is closed. Called by the thread that
    /// reloads. False if the thread that writes hangs in that: lines go where they did until it is through.
    func write(to sink: AccessLogSink?) -> Bool {
        let done = WaitingQueue<Void>(capacity: 1)
        orders.pushPastCapacity(.write(to: sink, done: done))
        return done.take(atMost: 1, timeoutMilliseconds: Int(Self.closingMilliseconds)) == nil
    }

    /// Writes what is left, for at most a second, and ends the thread; false if it hangs in a write.
    func close() -> Bool {
        orders.pushPastCapacity(.end)
        let deadline = System.monotonicMilliseconds() + Self.closingMilliseconds
        while !hasEnded.load(ordering: .acquiring), System.monotonicMilliseconds() < deadline { usleep(1000) }
        return hasEnded.load(ordering: .acquiring)
    }

    func run() {
        var isEnding = false
        while !isEnding {
            let pause = sink == nil ? 1000 : Self.turnMilliseconds
            for order in orders.take(atMost: 64, timeoutMilliseconds: pause) ?? [] {
                switch order {
                case .write(let next, let done):
                    // What came before goes to the file before, as far as that takes it.
                    writeAll()
                    dropRestOfLine()
                    (sink, isFailing) = (next, false)
                    adoptFormat()
                    done.close()
                case .end: isEnding = true
                }
            }
            adoptFormat()
            writeAll()
        }
        giveUp()
        hasEnded.store(true, ordering: .releasing)
    }

    private func adoptFormat() {
        if live.isNewer(than: &seen) { text = AccessText(format: live.value.logFormat) }
    }

    /// Until the rings are empty, or nothing more is taken.
    private func writeAll() {
        guard writePending() else { return }
        for ring in rings {
            records.removeAll(keepingCapacity: true)
            ring.takeAll(into: &records)
            // Records from before the log was switched off, or was on at all.
            guard sink != nil, !records.isEmpty else { continue }
            pendingLines = text.append(records.span.bytes, to: &pending)
            guard writePending() else { return }
        }
    }

    /// False if something is left.
    private func writePending() -> Bool {
        guard let sink else {
            giveUp()
            return true
        }
        var written = 0
        while written < pending.count {
            let progress = pending.withUnsafeBytes { sink.write(UnsafeRawBufferPointer(rebasing: $0[written...])) }
            switch progress {
            case .written(let count):
                written += count
                isWithinLine = pending[written - 1] != 0x0a
            case .blocked:
                pending.removeFirst(written)
                return false
            case .failed(let code):
                noteFailure(code)
                return true
            }
        }
        if pendingLines > 0 { isFailing = false }
        pending.removeAll(keepingCapacity: true)
        pendingLines = 0
        return true
    }

    /// All that is pending is lost. The next line begins anew, behind whatever piece of one stands there.
    private func noteFailure(_ code: Int32) {
        giveUp()
        (pending, isWithinLine) = ([0x0a], true)
        if isFailing { return }
        isFailing = true
        Log.write(.error, "access-log-failed", ["reason": .string(String(cString: strerror(code)))])
    }

    /// What begins elsewhere does not end here.
    private func dropRestOfLine() {
        guard isWithinLine, let end = pending.firstIndex(of: 0x0a) else { return }
        pending.removeFirst(end + 1)
        isWithinLine = false
        // After a failure it is no line: that was counted.
        if isFailing { return }
        pendingLines -= 1
        lostLines.add(1, ordering: .relaxed)
    }

    private func giveUp() {
        lostLines.add(UInt64(pendingLines), ordering: .relaxed)
        (pending, pendingLines, isWithinLine) = ([], 0, false)
    }
}
