import Analytics
import Glibc
import Links
import Primitives
import Server

/// What a click costs: the worker that writes it into its ring, and the thread that adds it up. Both in one thread, in turn,
/// on requests whose codes follow Zipf's law.
struct ClickBench {
    private static let links = 100_000
    private static let events = 1 << 14
    /// A worker has just read the head that it tells of: as many as the processor keeps close.
    private static let nearHeads = 32
    private let rounds: Rounds

    init(_ rounds: Rounds) { self.rounds = rounds }

    /// Heads of requests one behind the other, and where their fields lie.
    private final class Requests {
        struct Head {
            let start: Int
            let code, agent, referrer, language: Range<Int>
        }

        private static let headBytes = 512
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: ClickBench.events * headBytes, alignment: 64)
        let heads: [Head]

        init(agents: Int, random: inout SeededRandom) {
            let law = Zipf(objects: ClickBench.links, exponent: 1)
            var heads: [Head] = []
            for index in 0..<ClickBench.events {
                var text = Array("GET /".utf8)
                func add(_ value: String, _ next: String) -> Range<Int> {
                    let start = text.count
                    text += value.utf8
                    defer { text += next.utf8 }
                    return start..<text.count
                }
                let version = Int.random(in: 0..<agents, using: &random)
                heads.append(
                    Head(
                        start: index * Self.headBytes,
                        code: add(
                            "1\(100_000 + law.rank(&random))", " HTTP/1.1\r\nHost: edge.example\r\nUser-Agent: "),
                        agent: add(
                            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                                + "Chrome/\(version).0 Safari/537.36", "\r\nReferer: "),
                        referrer: add("https://www.example.com/a/page", "\r\nAccept-Language: "),
                        language: add("en-GB,en;q=0.9", "\r\n\r\n")))
                UnsafeMutableRawBufferPointer(rebasing: bytes[(index * Self.headBytes)...]).copyBytes(from: text)
            }
            self.heads = heads
        }

        deinit { bytes.deallocate() }

        /// A head with what may stand behind it.
        func bytes(_ head: Head) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: bytes.baseAddress! + head.start, count: Self.headBytes)
        }
    }

    private struct Sample {
        var floor, fields, bare, tally, sketch: Double
    }

    func run() throws {
        var random = SeededRandom(seed: 1)
        let requests = Requests(agents: 300, random: &random)
        let samples = try rounds.samples([Contender(name: "clicks") { try Self.measure($0, requests) }])[0]
        let distinct = Set(requests.heads.map { Array(requests.bytes($0)[$0.code]) }).count
        var table = Table(
            "a click, \(Figure.grouped(Self.links)) links by Zipf's law, \(rounds.description)", ["", "ns", "of floor"])
        for (name, value) in [
            ("floor: copy of 64 B into the ring", \Sample.floor), ("worker: all fields sent", \.fields),
            ("worker: none sent", \.bare), ("count: by code", \.tally),
            (
                "sketch: a code of a flush, of \(Figure.grouped(distinct)) in \(Figure.grouped(Self.events)) clicks",
                \.sketch
            ),
        ] {
            let ratio = median(samples.map { $0[keyPath: value] / $0.floor })
            table.add([name, Figure.fixed(median(samples.map { $0[keyPath: value] }), 1), Figure.ratio(ratio)])
        }
        StandardStream.output.write(table.text + "\n")
    }

    /// Nanoseconds of the processor for each event.
    private static func measure(_ seconds: Double, _ requests: Requests) throws -> Sample {
        let ring = SlotRing(slots: 1 << 15, slotBytes: ClickEvent.slotBytes)
        let key = NetworkKey(day: ClickDay(number: 20_000), key0: 1, key1: 2)
        let recorder = ClickRecorder(key: key)
        let tally = ClickTally(capacity: 1 << 16)
        let start = Instant(milliseconds: 20_000 * ClickDay.milliseconds)
        var hot = HotCodes(capacity: 1024, halfLifeMilliseconds: 60_000, now: start)
        recorder.setNow(start)
        var (sums, turns) = ([UInt64](repeating: 0, count: 5), 0.0)
        let end = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID) + UInt64(seconds * 1e9)
        var now = start
        repeat {
            now = now.advanced(byMilliseconds: 1000)
            sums[0] += try timed {
                for index in 0..<events {
                    let head = requests.heads[index % nearHeads]
                    guard let slot = ring.claim() else { throw LabError("the ring is full") }
                    slot.copyMemory(from: requests.bytes(head).baseAddress!, byteCount: 64)
                    _ = ring.publish()
                }
            }
            ring.release(events)
            sums[2] += try fill(requests, ring, recorder, sendsFields: false)
            ring.release(events)
            sums[1] += try fill(requests, ring, recorder, sendsFields: true)
            ring.release(events)
            for head in requests.heads { try record(head, requests, ring, recorder, sendsFields: true) }
            sums[3] += timed {
                var left = events
                while left > 0 {
                    let taken = tally.count(
                        UnsafeRawBufferPointer(rebasing: ring.filled.prefix(left * ClickEvent.slotBytes)))
                    ring.release(taken)
                    left -= taken
                }
            }
            let begin = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
            var known: [UInt64] = []
            hot.add(tally, known: &known, now: now)
            sums[4] += (MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID) - begin) * UInt64(events) / UInt64(tally.count)
            tally.removeAll()
            turns += 1
        } while MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID) < end
        let each = sums.map { Double($0) / turns / Double(events) }
        return Sample(floor: each[0], fields: each[1], bare: each[2], tally: each[3], sketch: each[4])
    }

    private static func timed(_ body: () throws -> Void) rethrows -> UInt64 {
        let begin = MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID)
        try body()
        return MonotonicClock.read(CLOCK_THREAD_CPUTIME_ID) - begin
    }

    private static func fill(
        _ requests: Requests, _ ring: SlotRing, _ recorder: ClickRecorder, sendsFields: Bool
    ) throws -> UInt64 {
        try timed {
            for index in 0..<events {
                try record(requests.heads[index % nearHeads], requests, ring, recorder, sendsFields: sendsFields)
            }
        }
    }

    @inline(__always)
    private static func record(
        _ head: Requests.Head, _ requests: Requests, _ ring: SlotRing, _ recorder: ClickRecorder, sendsFields: Bool
    ) throws {
        guard let slot = ring.claim() else { throw LabError("the ring is full") }
        recorder.record(
            into: slot, requests.bytes(head), code: head.code, isHead: false, network: 0xffff_7f00_0000,
            agent: sendsFields ? head.agent : 0..<0, referrer: sendsFields ? head.referrer : 0..<0,
            language: sendsFields ? head.language : 0..<0)
        _ = ring.publish()
    }
}
