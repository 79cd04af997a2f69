import Foundation
import Links
import Primitives
import Store
import Testing

/// Opening a store in a state that it must not be in: refused with the right error, nothing on the disk is changed, and
/// once the fault is undone all links are there.
@Suite struct StoreFileFaultTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// The kind of an error, without its details.
    enum Kind: String {
        case inUse, directory, missing, unfinished, empty, truncated, foreign, newerFormat, newerLogFormat
        case identityMismatch, identityDamaged
        case otherNode, codeSecretDiffers, damaged, system

        init(_ error: StoreError) {
            switch error {
            case .inUse: self = .inUse
            case .directory: self = .directory
            case .missing: self = .missing
            case .unfinished: self = .unfinished
            case .empty: self = .empty
            case .truncated: self = .truncated
            case .foreign: self = .foreign
            case .newerFormat: self = .newerFormat
            case .newerLogFormat: self = .newerLogFormat
            case .identityMismatch: self = .identityMismatch
            case .identityDamaged: self = .identityDamaged
            case .otherNode: self = .otherNode
            case .codeSecretDiffers: self = .codeSecretDiffers
            case .damaged: self = .damaged
            case .system: self = .system
            }
        }
    }

    /// Opens and expects a refusal that changes nothing and names the place.
    private func expectRefusal(_ settings: StoreSettings, _ kind: Kind, _ name: String) {
        let before = directory.contents
        do throws(StoreError) {
            let store = try Store(settings)
            store.close()
            Issue.record("\(name): opened")
        } catch {
            #expect(Kind(error) == kind, "\(name): \(error)")
            #expect(error.description.contains(directory.path), "\(name): \(error)")
        }
        #expect(directory.contents == before, "\(name): something was changed")
    }

    private func expectRefusals(_ faults: [(name: String, kind: Kind, fault: () throws -> Void)]) throws {
        let links = try makeStore(settings(directory, clock: clock), clock: clock, generated: 20, aliases: 20)
        let sound = directory.contents
        for (name, kind, fault) in faults {
            try fault()
            expectRefusal(settings(directory, clock: clock), kind, name)
            try directory.restore(sound)
        }
        try withStore(settings(directory, clock: clock)) {
            #expect(!$0.didBeginIncarnation)
            try $0.expect(links)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }

    private func editFile(_ edit: @escaping (inout [UInt8]) -> Void) -> () throws -> Void {
        {
            var bytes = read(directory.file)
            edit(&bytes)
            try write(bytes, to: directory.file)
        }
    }

    @Test func aDirectoryHasOneOwner() throws {
        try withStore(settings(directory)) { store in
            let link = try store.createAndWait("https://example.com/")
            expectRefusal(settings(directory), .inUse, "second store")
            let other = try store.createAndWait("https://example.org/")
            try store.expect([link.code: "https://example.com/", other.code: "https://example.org/"])
        }
        try withStore(settings(directory)) { _ in }
    }

    @Test func filesThatAreNoWholeStore() throws {
        let lengths = [1, 15, 20, 151, 4095, 4096, 4097, 4096 + 151, 8191, 8192, 8193, 20_000, 40_960]
        var faults: [(String, Kind, () throws -> Void)] = lengths.map { length in
            ("cut to \(length)", .truncated, editFile { $0.removeLast($0.count - length) })
        }
        faults.append(("empty", .empty, editFile { $0 = [] }))
        faults.append(("missing", .missing, { try FileManager.default.removeItem(atPath: directory.file) }))
        faults.append(("one page short", .truncated, editFile { Self.cutBelowHeader(&$0) }))
        for start in [0, 4096] {
            faults.append(("magic of page at \(start)", .foreign, editFile { $0[start + 16] ^= 1 }))
            faults.append(("version of page at \(start)", .foreign, editFile { $0[start + 20] ^= 2 }))
            faults.append(("transaction of page at \(start)", .damaged, editFile { $0[start + 144] ^= 1 }))
            faults.append(("older transaction at \(start)", .damaged, editFile { $0[start + 144] = 0 }))
        }
        faults.append(("page size", .foreign, editFile { $0[40] = 1 }))
        faults.append(
            (
                "random bytes", .foreign,
                editFile { bytes in
                    var random = SeededRandom(seed: 1)
                    for place in bytes.indices { bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
                }
            ))
        faults.append(("text", .foreign, editFile { $0 = Array(String(repeating: "no store\n", count: 9999).utf8) }))
        try expectRefusals(faults)
    }

    /// One byte less than the newest header speaks of.
    private static func cutBelowHeader(_ bytes: inout [UInt8]) {
        bytes.removeLast(bytes.count - RawFile.usedBytes(bytes) + 1)
    }

    @Test func storesOfOthers() throws {
        let foreign: () throws -> Void = {
            try FileManager.default.removeItem(atPath: directory.file)
            try editStore(directory.store, create: true) { try $0.put("theirs", [1], [2]) }
        }
        let bare: () throws -> Void = {
            try FileManager.default.removeItem(atPath: directory.file)
            try editStore(directory.store) { _ in }
        }
        try expectRefusals([
            ("another program's LMDB file", .foreign, foreign),
            ("an LMDB file without tables", .foreign, bare),
            ("newer format", .newerFormat, { try rewriteMeta("format", [0, 0, 0, 0, 0, 0, 0, 2]) }),
            (
                "newer log entries", .newerLogFormat,
                { try rewriteMeta("log-format", [0, UInt8(StoreLimits.logFormat + 1)]) }
            ),
            ("log format cut short", .damaged, { try rewriteMeta("log-format", [2]) }),
            ("format cut short", .damaged, { try rewriteMeta("format", [0, 0]) }),
            ("identity cut short", .damaged, { try rewriteMeta("identity", [7]) }),
            (
                "identity of no row", .damaged,
                { try rewriteMeta("identity", Array("\u{7}default\u{5}local".utf8) + [9, 9]) }
            ),
            (
                "format row missing", .damaged,
                { try editStore(directory.store) { try $0.delete("meta", Array("format".utf8)) } }
            ),
            (
                "wrong checksum", .damaged,
                {
                    try editStore(directory.store) {
                        let key = Array("code-secret".utf8)
                        var value = try $0.get("meta", key)
                        value[9] ^= 4
                        try $0.put("meta", key, value)
                    }
                }
            ),
        ])
    }

    private func rewriteMeta(_ name: String, _ payload: [UInt8]) throws {
        let key = Array(name.utf8)
        try editStore(directory.store) { try $0.put("meta", key, sealed(RawTable.meta, key, payload)) }
    }

    @Test func sideFiles() throws {
        let other = TemporaryDirectory()
        _ = try makeStore(settings(other, clock: clock), clock: clock, generated: 1, aliases: 0)
        var faults: [(String, Kind, () throws -> Void)] = [
            ("of another life", .identityMismatch, { try write(read(other.identity), to: directory.identity) }),
            ("empty", .identityDamaged, { try write([], to: directory.identity) }),
            ("not text", .identityDamaged, { try write([0xff, 0xfe, 0], to: directory.identity) }),
            (
                "too large", .identityDamaged,
                { try write(read(directory.identity) + [UInt8](repeating: 10, count: 5000), to: directory.identity) }
            ),
            ("lease below the head", .identityMismatch, { try rewriteIdentity { $0[5] = "sequence_lease = 39" } }),
            ("another cluster", .identityMismatch, { try rewriteIdentity { $0[1] = "cluster = other" } }),
            ("another region", .identityMismatch, { try rewriteIdentity { $0[2] = "region = local:2" } }),
            ("another node", .identityMismatch, { try rewriteIdentity { $0[3] = "node = 1" } }),
            ("a number too large", .identityDamaged, { try rewriteIdentity { $0[3] = "node = 256" } }),
            ("another header", .identityDamaged, { try rewriteIdentity { $0[0] = "edge-identity 2" } }),
        ]
        for line in 0..<7 {
            faults.append(("line \(line) away", .identityDamaged, { try editIdentity { $0.remove(at: line) } }))
            faults.append(
                ("line \(line) twice", .identityDamaged, { try editIdentity { $0.insert($0[line], at: line) } }))
            faults.append(("line \(line) longer", .identityDamaged, { try editIdentity { $0[line] += "0" } }))
        }
        try expectRefusals(faults)
    }

    /// Every flipped bit of the side file is noticed.
    @Test func bitsOfTheSideFile() throws {
        let links = try makeStore(settings(directory, clock: clock), clock: clock, generated: 3, aliases: 0)
        let sound = read(directory.identity)
        for bit in 0..<8 * sound.count {
            var bytes = sound
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            try write(bytes, to: directory.identity)
            #expect(throws: StoreError.self, "bit \(bit)") { try withStore(settings(directory, clock: clock)) { _ in } }
        }
        try write(sound, to: directory.identity)
        try withStore(settings(directory, clock: clock)) { try $0.expect(links) }
    }

    private func editIdentity(_ edit: (inout [String]) -> Void) throws {
        var lines = String(decoding: read(directory.identity), as: UTF8.self).split(separator: "\n").map { String($0) }
        edit(&lines)
        try write(Array((lines.joined(separator: "\n") + "\n").utf8), to: directory.identity)
    }

    /// Changes lines and gives the file a checksum that holds.
    private func rewriteIdentity(_ edit: (inout [String]) -> Void) throws {
        try editIdentity { lines in
            edit(&lines)
            lines.removeLast()
            var crc = CRC32C()
            crc.append(Array((lines.joined(separator: "\n") + "\n").utf8).span.bytes)
            let digits = String(crc.value, radix: 16)
            lines.append("crc32c = " + String(repeating: "0", count: 8 - digits.count) + digits)
        }
    }

    @Test func settingsOfAnotherNode() throws {
        var own = settings(directory, clock: clock)
        own.codeSecret = Array("a secret of thirty-two bytes ....".utf8)
        let links = try makeStore(own, clock: clock, generated: 10, aliases: 10)
        let two = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "2"))!)
        let named = StoreSettings.Region(name: "eu", character: localRegion.character)
        let wrong: [(String, Kind, (inout StoreSettings) -> Void)] = [
            ("cluster", .otherNode, { $0.cluster = "other" }),
            ("region's character", .otherNode, { ($0.region, $0.regions) = (two, [two]) }),
            ("region's name", .otherNode, { ($0.region, $0.regions) = (named, [named]) }),
            ("node", .otherNode, { $0.node = 1 }),
            ("code secret", .codeSecretDiffers, { $0.codeSecret = Array("another secret of 32 bytes ......".utf8) }),
        ]
        for (name, kind, change) in wrong {
            var changed = own
            change(&changed)
            expectRefusal(changed, kind, name)
        }
        for secret in [own.codeSecret, nil] {
            own.codeSecret = secret
            try withStore(own) { try $0.expect(links) }
        }
    }

    @Test func directoriesThatCannotBeUsed() throws {
        try write([1], to: directory.path + "/file")
        var changed = settings(directory, clock: clock)
        for place in ["/file", "/file/data", "/none/data"] {
            changed.directory = directory.path + place
            expectRefusal(changed, .directory, place)
        }
    }
}
