import Foundation
import Links
import Primitives
import Store
import Testing

/// Whatever is wrong in a store whose structure holds, `verify` says so.
@Suite struct VerifyTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func logKey(_ sequence: UInt8, origin: UInt8 = 0) -> [UInt8] { [0, origin, 0, 0, 0, 0, 0, sequence] }
    private func linkKey(_ counter: UInt8) -> [UInt8] { [0, 0, 0, 0, counter >> 4, counter << 4] }

    private func editOrigin(_ transaction: RawTransaction, _ edit: (inout RawOrigin) -> Void) throws {
        var row = try RawOrigin.all(transaction)[0]
        edit(&row)
        try row.write(transaction)
    }

    /// Changes a value's bytes and leaves its checksum as it was.
    private func edit(
        _ transaction: RawTransaction, _ table: String, _ key: [UInt8], _ edit: (inout [UInt8]) -> Void
    ) throws {
        var value = try transaction.get(table, key)
        edit(&value)
        try transaction.put(table, key, value)
    }

    /// A log entry with another stamp and a checksum that holds; its chain is not.
    private func restamped(_ entry: [UInt8]) -> [UInt8] {
        var tail = Array(entry.dropFirst(4))
        tail[15] ^= 1
        var crc = CRC32C()
        crc.append(tail.span.bytes)
        var bytes: [UInt8] = []
        bytes.append(bigEndian: crc.value)
        return bytes + tail
    }

    private typealias Corruption = (name: String, words: String, change: (RawTransaction) throws -> Void)

    private var logCorruptions: [Corruption] {
        [
            ("entry dropped", "entry 5 is missing", { try $0.delete("log", logKey(5)) }),
            ("first entry dropped", "entry 1 is missing", { try $0.delete("log", logKey(1)) }),
            ("last entry dropped", "ends at 29", { try $0.delete("log", logKey(30)) }),
            (
                "all entries dropped", "ends at 0",
                { raw in try raw.rows("log").forEach { try raw.delete("log", $0.key) } }
            ),
            (
                "two entries swapped", "chain breaks at entry 4",
                { raw in
                    let (left, right) = (try raw.get("log", logKey(4)), try raw.get("log", logKey(9)))
                    try raw.put("log", logKey(4), right)
                    try raw.put("log", logKey(9), left)
                }
            ),
            ("byte of a chain", "chain breaks at entry 7", { try edit($0, "log", logKey(7)) { $0[3] ^= 1 } }),
            ("byte of an entry", "chain breaks at entry 7", { try edit($0, "log", logKey(7)) { $0[40] ^= 1 } }),
            (
                "an entry with another stamp", "chain breaks at entry 7",
                { try edit($0, "log", logKey(7)) { $0 = $0.prefix(16) + restamped(Array($0.dropFirst(16))) } }
            ),
            ("entry cut short", "entry 7", { try edit($0, "log", logKey(7)) { $0 = Array($0.prefix(16)) } }),
            ("entry beyond the head", "31", { try $0.put("log", logKey(31), try $0.get("log", logKey(30))) }),
            (
                "entry of nobody's log", "31 rows",
                { try $0.put("log", logKey(1, origin: 9), try $0.get("log", logKey(1))) }
            ),
            ("row that is no entry", "31 rows", { try $0.put("log", [1], [2]) }),
            ("head behind", "ends at 30", { try editOrigin($0) { $0[RawOrigin.Field.head] = 29 } }),
            ("head ahead", "ends at 30", { try editOrigin($0) { $0[RawOrigin.Field.head] = 31 } }),
            (
                "another chain", "ends at 30",
                { try editOrigin($0) { $0.payload[RawOrigin.Field.headChain.lowerBound] ^= 1 } }
            ),
            ("another stamp", "ends at 30", { try editOrigin($0) { $0.payload[20] ^= 1 } }),
            ("sealed", "sealed", { try editOrigin($0) { $0[RawOrigin.Field.seal] = 30 } }),
            ("lease", "ahead of the lease", { try editOrigin($0) { $0[RawOrigin.Field.head] = 70_000 } }),
            ("ceiling", "above the ceiling", { try editOrigin($0) { $0[RawOrigin.Field.ceiling] = 7 } }),
        ]
    }

    private var recordCorruptions: [Corruption] {
        let links = RawTable.linksName
        return [
            ("byte of a record", "key 000000000050, is damaged", { try edit($0, links, linkKey(5)) { $0[20] ^= 1 } }),
            ("record removed", "entry 6 has no record", { try $0.delete(links, linkKey(5)) }),
            (
                "all records removed", "no record",
                { raw in try raw.rows(links).forEach { try raw.delete(links, $0.key) } }
            ),
            ("alias removed", "entry 23 has no record", { try $0.delete("aliases", Array("alias-2".utf8)) }),
            (
                "record of another row", "is damaged",
                { try $0.put(links, linkKey(5), try $0.get(links, linkKey(6))) }
            ),
            (
                "record in another table", "is damaged",
                { try $0.put("aliases", Array("alias-2".utf8), try $0.get(links, linkKey(6))) }
            ),
            (
                "another destination, sealed", "entry 6 and its record differ",
                {
                    try edit($0, links, linkKey(5)) { value in
                        var payload = Array(value.dropFirst(4))
                        payload[payload.count - 1] ^= 1
                        value = sealed(RawTable.links, linkKey(5), payload)
                    }
                }
            ),
            (
                "an older stamp, sealed", "newer than its record",
                {
                    try edit($0, links, linkKey(5)) { value in
                        var payload = Array(value.dropFirst(4))
                        payload[0] = 0
                        value = sealed(RawTable.links, linkKey(5), payload)
                    }
                }
            ),
            ("extra record", "digest of bucket 0", { try addRecord($0, linkKey(200)) }),
            ("extra record", "tells of 30 of its 31 records", { try addRecord($0, linkKey(200)) }),
            ("record with a key of another length", "is damaged", { try addRecord($0, [0, 0, 1]) }),
            ("an origin that nobody is", "is damaged", { try addRecord($0, linkKey(200), origin: 7) }),
        ]
    }

    private func addRecord(_ transaction: RawTransaction, _ key: [UInt8], origin: UInt8 = 0) throws {
        let payload: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, origin, 0] + Array("https://extra.example.com/".utf8)
        try transaction.put(RawTable.linksName, key, sealed(RawTable.links, key, payload))
    }

    private var digestCorruptions: [Corruption] {
        let key: [UInt8] = RawTable.links + [0, 0, 0, 0, 0, 0]
        return [
            ("byte of a digest", "digest of bucket 0", { try edit($0, "digests", key) { $0[9] ^= 1 } }),
            ("digest removed", "digest of bucket 0", { try $0.delete("digests", key) }),
            (
                "another sum, sealed", "digest of bucket 0",
                {
                    try edit($0, "digests", key) { value in
                        var payload = Array(value.dropFirst(4))
                        payload[3] ^= 1
                        value = sealed(RawTable.digests, key, payload)
                    }
                }
            ),
            (
                "another count, sealed", "digest of bucket 0",
                {
                    try edit($0, "digests", key) { value in
                        var payload = Array(value.dropFirst(4))
                        payload[23] ^= 1
                        value = sealed(RawTable.digests, key, payload)
                    }
                }
            ),
            (
                "a digest of nothing", "digests, and",
                {
                    let key: [UInt8] = RawTable.links + [0, 0, 0, 0, 0, 9]
                    try $0.put("digests", key, sealed(RawTable.digests, key, [UInt8](repeating: 0, count: 30)))
                }
            ),
        ]
    }

    @Test func everyCorruptionIsReported() throws {
        let links = try makeStore(settings(directory, clock: clock), clock: clock, generated: 20, aliases: 10)
        let (file, identity) = (read(directory.file), read(directory.identity))
        for (name, words, change) in logCorruptions + recordCorruptions + digestCorruptions {
            try editStore(directory.store, change)
            let inspection = try StoreInspection(directory: directory.store)
            #expect(!inspection.isSound && inspection.problemCount >= inspection.problems.count, "\(name)")
            #expect(inspection.problems.contains { $0.contains(words) }, "\(name): \(inspection.problems)")
            try write(file, to: directory.file)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
        try FileManager.default.removeItem(atPath: directory.identity)
        let backup = try StoreInspection(directory: directory.store)
        #expect(backup.problems == [] && !backup.hasIdentity)
        try write(identity, to: directory.identity)
        try withStore(settings(directory, clock: clock)) { try $0.expect(links) }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    /// Reading a store changes none of it, and needs no more of a directory than the two files.
    @Test func looksAndDoesNotTouch() throws {
        _ = try makeStore(settings(directory, clock: clock), clock: clock, generated: 20, aliases: 10)
        let before = directory.contents
        for _ in 0..<3 {
            let inspection = try StoreInspection(directory: directory.store)
            #expect(inspection.problems == [] && inspection.recordCount == 30 && inspection.entryCount == 30)
            let damaged = try dumpStore(directory: directory.store, now: clock.now) { _ in true }
            #expect(damaged == [])
        }
        #expect(directory.contents == before)
        let empty = TemporaryDirectory()
        #expect(throws: StoreError.self) { try StoreInspection(directory: empty.store) }
        #expect(empty.contents == [:])
    }
}
