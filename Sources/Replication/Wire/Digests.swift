import Primitives

/// DIGESTS-REQUEST: a node of the tree over all buckets, whose keys (table id, bucket) are eight bytes.
///
///     level   1      0 to 7: how many bytes of the prefix count
///     prefix  8      the others are zero
package struct DigestNode: Hashable, Sendable {
    static let sizeBytes = 9

    package var level: UInt8
    package var prefix: UInt64

    package init(level: UInt8, prefix: UInt64) { (self.level, self.prefix) = (level, prefix) }

    package static let root = DigestNode(level: 0, prefix: 0)

    /// The prefix of the child that has this byte next.
    package func childPrefix(_ byte: UInt8) -> UInt64 {
        prefix | UInt64(byte) << (56 - 8 * UInt64(level))
    }

    package var childrenAreBuckets: Bool { level == WireLimits.digestLevels - 1 }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(level)
        bytes.append(bigEndian: prefix)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        level = try bytes.takeByte()
        prefix = try bytes.takeUInt64()
        guard level < WireLimits.digestLevels, prefix << (8 * UInt64(level)) == 0 else { throw MalformedBytes() }
    }
}

/// DIGESTS: the sums below one node, of the children that hold records.
///
///     node      9            as it was asked for
///     children  18 each      byte (1), 1 if quiet for 60 s, else 0 (1), sum (16); bytes ascend
package struct Digests: Equatable, Sendable {
    package struct Child: Equatable, Sendable {
        package var byte: UInt8
        /// Nothing below it has changed for 60 s.
        package var isQuiet: Bool
        package var sum: UInt128

        package init(byte: UInt8, isQuiet: Bool, sum: UInt128) {
            (self.byte, self.isQuiet, self.sum) = (byte, isQuiet, sum)
        }
    }

    package var node: DigestNode
    package var children: [Child]

    package init(node: DigestNode, children: [Child]) { (self.node, self.children) = (node, children) }

    package func encode(into bytes: inout [UInt8]) {
        node.encode(into: &bytes)
        for child in children {
            bytes += [child.byte, child.isQuiet ? 1 : 0]
            bytes.append(bigEndian: child.sum)
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        node = try DigestNode(decoding: &bytes)
        children = []
        while bytes.byteCount > 0 {
            let (byte, quiet) = (try bytes.takeByte(), try bytes.takeByte())
            guard quiet <= 1, children.last.map({ $0.byte < byte }) ?? true else { throw MalformedBytes() }
            children.append(Child(byte: byte, isQuiet: quiet == 1, sum: try bytes.takeUInt128()))
        }
    }
}

/// BUCKET-REQUEST: the records of one bucket, in order of their keys.
///
///     bucket  8               table id (2), bucket (6)
///     after   varint, bytes   the key behind which to go on; empty: from the start
package struct BucketRequest: Equatable, Sendable {
    package var bucket: UInt64
    package var after: [UInt8]

    package init(bucket: UInt64, after: [UInt8]) { (self.bucket, self.after) = (bucket, after) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: bucket)
        bytes.append(lengthPrefixed: after)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        bucket = try bytes.takeUInt64()
        after = try bytes.takeLengthPrefixed()
        guard after.count <= WireLimits.keyBytes else { throw MalformedBytes() }
    }
}

/// RECORD-REQUEST: one record, for a node whose own is damaged.
///
///     key  varint, bytes   LinkKey
package struct RecordRequest: Equatable, Sendable {
    package var key: [UInt8]

    package init(key: [UInt8]) { self.key = key }

    package func encode(into bytes: inout [UInt8]) { bytes.append(lengthPrefixed: key) }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        key = try bytes.takeLengthPrefixed()
        guard (1...WireLimits.keyBytes).contains(key.count) else { throw MalformedBytes() }
    }
}

/// RECORDS: the answer to either request; the receiver merges by the rule of the winner.
///
///     next     varint, bytes   key of the last record if there are more; empty: that was all
///     records  the rest        in the store's form; empty: not here, or damaged here too
package struct Records: Equatable, Sendable {
    package var next: [UInt8]
    package var bytes: [UInt8]

    package init(next: [UInt8], bytes: [UInt8]) { (self.next, self.bytes) = (next, bytes) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(lengthPrefixed: next)
        bytes += self.bytes
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        next = try bytes.takeLengthPrefixed()
        guard next.count <= WireLimits.keyBytes, bytes.byteCount <= WireLimits.recordsBytes
        else { throw MalformedBytes() }
        self.bytes = try bytes.takeBytes(bytes.byteCount)
    }
}
