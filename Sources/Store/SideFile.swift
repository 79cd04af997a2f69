import Links
import Primitives

/// The file `identity` beside the store: who this node is, and up to which sequence it may have written its log. A store
/// that does not match it was swapped or rolled back.
///
///     edge-identity 1
///     cluster = default
///     region = local:1
///     node = 0
///     incarnation = 4f1c2d3e5a6b7c8d
///     sequence_lease = 65536
///     closed_at = no               the last sequence, if the store was closed in order
///     crc32c = 89abcdef            over all lines before this one
struct SideFile: Equatable {
    var cluster: String
    var regionName: String
    var origin: Origin
    /// No entry beyond this sequence was committed before the file said so.
    var sequenceLease: UInt64
    /// Where the log ended when the store was closed in order; nil while it is written, and after a crash.
    var closedAt: UInt64?

    /// The lease moves on by this many entries at a time; each move costs a synced file.
    static let leaseStep: UInt64 = 65_536

    private static let header = "edge-identity 1"

    var text: String {
        let lines =
            "\(Self.header)\ncluster = \(cluster)\nregion = \(regionName):\(Character(UnicodeScalar(origin.region)))\n"
            + "node = \(origin.node)\nincarnation = \(hex(origin.incarnation, 16))\nsequence_lease = \(sequenceLease)\n"
            + "closed_at = \(closedAt.map(String.init) ?? "no")\n"
        return lines + "crc32c = \(hex(UInt64(Self.checksum(lines)), 8))\n"
    }

    init(cluster: String, regionName: String, origin: Origin, sequenceLease: UInt64) {
        (self.cluster, self.regionName, self.origin, self.sequenceLease) = (cluster, regionName, origin, sequenceLease)
    }

    /// Nil if the text is not what `text` gives.
    init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 9, lines[0] == Self.header, lines[8].isEmpty else { return nil }
        var values: [String] = []
        for (line, name) in zip(
            lines[1...7], ["cluster", "region", "node", "incarnation", "sequence_lease", "closed_at", "crc32c"])
        {
            guard line.hasPrefix(name + " = ") else { return nil }
            values.append(String(line.dropFirst(name.count + 3)))
        }
        let region = values[1].split(separator: ":", omittingEmptySubsequences: false)
        guard region.count == 2, region[1].utf8.count == 1, let node = UInt8(values[2]),
            let incarnation = UInt64(values[3], radix: 16), let lease = UInt64(values[4])
        else { return nil }
        self.init(
            cluster: values[0], regionName: String(region[0]),
            origin: Origin(region: region[1].utf8.first!, node: node, incarnation: incarnation), sequenceLease: lease)
        closedAt = UInt64(values[5])
        guard self.text == text else { return nil }
    }

    private static func checksum(_ text: String) -> UInt32 {
        var crc = CRC32C()
        crc.append(Array(text.utf8).span.bytes)
        return crc.value
    }

    static func read(_ path: String) throws(StoreError) -> SideFile? {
        guard let bytes = try readSmallFile(path, atMostBytes: 4096) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self), let file = SideFile(text: text) else {
            throw .identityDamaged(path: path, reason: "its lines or its checksum are not as they were written")
        }
        return file
    }
}

/// Lower-case hexadecimal, padded with zeros.
func hex(_ number: UInt64, _ digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
