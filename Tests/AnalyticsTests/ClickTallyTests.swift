import Analytics
import Primitives
import Testing

@Suite struct ClickTallyTests {
    private struct Key: Hashable {
        let code: [UInt8]
        let day: ClickDay
    }

    private func contents(_ tally: ClickTally) -> [Key: ClickCounts] {
        Dictionary(
            uniqueKeysWithValues: (0..<tally.count).map {
                let entry = tally.entry(at: $0)
                return (Key(code: Array(entry.code), day: entry.day), entry.counts)
            })
    }

    /// Events through a ring, against a dictionary: codes of every length, two days, all kinds; the table is emptied when it is
    /// full, and now and then before.
    @Test func likeADictionary() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let ring = SlotRing(slots: 64, slotBytes: ClickEvent.slotBytes)
        let recorder = ClickRecorder(key: Recorded.key)
        let tally = ClickTally(capacity: 100)
        var (model, fullCount): ([Key: ClickCounts], Int) = ([:], 0)
        for step in 0..<3000 {
            let midnight = Int64(random.next() % 2) * ClickDay.milliseconds
            recorder.setNow(noon.advanced(byMilliseconds: midnight))
            var expected: [(Key, ClickCounts)] = []
            for _ in 0..<random.next() % 40 {
                let size = Int(random.next() % 64) + 1
                let code = [UInt8](repeating: 0x61 + UInt8(random.next() % 3), count: size)
                let isHead = random.next() % 4 == 0
                let agent = random.next() % 2 == 0 ? "Googlebot" : "Firefox"
                let bytes = Array("GET /".utf8) + code + Array(agent.utf8)
                bytes.withUnsafeBytes {
                    recorder.record(
                        into: ring.claim()!, $0, code: 5..<5 + size, isHead: isHead, network: 1,
                        agent: 5 + size..<bytes.count, referrer: 0..<0, language: 0..<0)
                }
                _ = ring.publish()
                let counts = ClickCounts(
                    people: !isHead && agent == "Firefox" ? 1 : 0, bots: !isHead && agent != "Firefox" ? 1 : 0,
                    heads: isHead ? 1 : 0)
                let day = ClickDay(noon.advanced(byMilliseconds: midnight))
                expected.append((Key(code: code, day: day), counts))
            }
            while ring.filled.count > 0 {
                let offered = ring.filled.count / ClickEvent.slotBytes
                let taken = tally.count(ring.filled)
                ring.release(taken)
                for (key, counts) in expected[..<taken] { model[key, default: ClickCounts()] += counts }
                expected.removeFirst(taken)
                #expect(contents(tally) == model, "seed \(seed), step \(step)")
                guard taken < offered || random.next() % 50 == 0 else { continue }
                #expect(taken == offered || tally.isFull, "seed \(seed)")
                fullCount += taken < offered ? 1 : 0
                tally.removeAll()
                model = [:]
            }
            if let key = model.keys.first {
                let days = tally.counts(of: key.code)
                #expect(Set(days.map(\.day)) == Set(model.keys.filter { $0.code == key.code }.map(\.day)))
                #expect(days.first { $0.day == key.day }?.counts == model[key], "seed \(seed)")
            }
            #expect(tally.counts(of: [0x7a]).isEmpty)
        }
        #expect(fullCount > 10, "seed \(seed)")
    }

    @Test func fullTakesKnownCodes() {
        let tally = ClickTally(capacity: 1)
        func add(_ code: String, _ day: ClickDay) -> Bool {
            Array(code.utf8).withUnsafeBytes { tally.add($0, day, ClickCounts(people: 2)) }
        }
        #expect(add("abc", today) && add("abc", today) && !add("abd", today) && !add("abc", today.earlier(by: 1)))
        #expect(tally.entry(at: 0).counts == ClickCounts(people: 4))
    }

    @Test func countsAreWritten() throws {
        let counts = ClickCounts(people: .max, bots: 127, heads: 128)
        var bytes: [UInt8] = []
        counts.encode(into: &bytes)
        var rest = bytes.span.bytes
        #expect(try ClickCounts(decoding: &rest) == counts && rest.byteCount == 0)
        for cut in 0..<bytes.count {
            var rest = bytes.span.bytes.extracting(..<cut)
            #expect(throws: MalformedBytes.self) { try ClickCounts(decoding: &rest) }
        }
    }
}
