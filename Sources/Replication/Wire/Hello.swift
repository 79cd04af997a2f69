import Links
import Primitives

/// A place in the cluster, whoever lives there: a region's character and a number.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var region: UInt8
    /// 0…15
    package var node: UInt8

    package init(region: UInt8, node: UInt8) { (self.region, self.node) = (region, node) }
    package init(_ origin: Origin) { self.init(region: origin.region, node: origin.node) }

    package static func < (left: NodeID, right: NodeID) -> Bool {
        (left.region, left.node) < (right.region, right.node)
    }

    package var description: String { "\(Character(UnicodeScalar(region)))/\(node)" }
}

/// HELLO: who speaks, and what both sides must agree on before anything else is said.
///
///     cluster   varint, bytes   its name, 1 to 64 bytes
///     origin    10              region, node, incarnation
///     run       8               random at each start of the process; never zero
///     versions  1, 2            of this protocol: first and last
///     format    2               of log entries: the newest that the node reads
///     nonce     16              random for each connection
///     wall      6               clock, Unix milliseconds
///     secret    8               check value of the code secret
///     epoch     8               reserved: 1 is sent, nobody looks at it
///     regions   1, then each    count; character (1), name (varint, bytes); characters ascend
///     later     the rest        fields of later programs; part of what AUTH proves
package struct Hello: Equatable, Sendable {
    package struct Region: Equatable, Sendable {
        package var character: UInt8
        package var name: [UInt8]
        package init(character: UInt8, name: [UInt8]) { (self.character, self.name) = (character, name) }
    }

    package var cluster: [UInt8]
    package var origin: Origin
    package var run: UInt64
    package var versions: ClosedRange<UInt8>
    package var logFormat: UInt16
    package var nonce: UInt128
    package var wall: Instant
    package var secretCheck: UInt64
    package var epoch: UInt64
    package var regions: [Region]
    package var later: [UInt8] = []

    package init(
        cluster: [UInt8], origin: Origin, run: UInt64, versions: ClosedRange<UInt8>, logFormat: UInt16, nonce: UInt128,
        wall: Instant, secretCheck: UInt64, epoch: UInt64, regions: [Region]
    ) {
        (self.cluster, self.origin, self.run, self.versions) = (cluster, origin, run, versions)
        (self.logFormat, self.nonce, self.wall) = (logFormat, nonce, wall)
        (self.secretCheck, self.epoch, self.regions) = (secretCheck, epoch, regions)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(lengthPrefixed: cluster)
        origin.encode(into: &bytes)
        bytes.append(bigEndian: run)
        bytes += [versions.lowerBound, versions.upperBound]
        bytes.append(bigEndian: logFormat)
        bytes.append(bigEndian: nonce)
        bytes.append(bigEndian48: UInt64(clamping: wall.milliseconds) & 0xffff_ffff_ffff)
        bytes.append(bigEndian: secretCheck)
        bytes.append(bigEndian: epoch)
        bytes.append(UInt8(regions.count))
        for region in regions {
            bytes.append(region.character)
            bytes.append(lengthPrefixed: region.name)
        }
        bytes += later
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        cluster = try bytes.takeLengthPrefixed()
        origin = try Origin(decoding: &bytes)
        run = try bytes.takeUInt64()
        let (first, last) = (try bytes.takeByte(), try bytes.takeByte())
        guard (1...WireLimits.clusterBytes).contains(cluster.count), origin.isSound, run != 0, first <= last
        else { throw MalformedBytes() }
        versions = first...last
        logFormat = try bytes.takeUInt16()
        nonce = try bytes.takeUInt128()
        wall = Instant(milliseconds: Int64(try bytes.takeUInt48()))
        secretCheck = try bytes.takeUInt64()
        epoch = try bytes.takeUInt64()
        let count = Int(try bytes.takeByte())
        guard count <= WireLimits.regions else { throw MalformedBytes() }
        regions = []
        for _ in 0..<count {
            let region = Region(character: try bytes.takeByte(), name: try bytes.takeLengthPrefixed())
            guard region.name.count <= WireLimits.regionNameBytes,
                regions.last.map({ $0.character < region.character }) ?? true
            else { throw MalformedBytes() }
            regions.append(region)
        }
        later = try bytes.takeBytes(bytes.byteCount)
    }
}

extension Origin {
    /// A region character, a node below 16, an incarnation that is one.
    var isSound: Bool { RegionCharacter(region) != nil && node < 16 && incarnation != 0 }

    init(soundFrom bytes: inout RawSpan) throws(MalformedBytes) {
        try self.init(decoding: &bytes)
        guard isSound else { throw MalformedBytes() }
    }
}

extension RawSpan {
    mutating func takeUInt128() throws(MalformedBytes) -> UInt128 {
        UInt128(try takeUInt64()) << 64 | UInt128(try takeUInt64())
    }
}

/// AUTH: HMAC-SHA256 with the cluster secret, see `Proof`.
///
///     mac  32
package struct Auth: Equatable, Sendable {
    package static let sizeBytes = 32

    package var mac: [UInt8]

    package init(mac: [UInt8]) {
        precondition(mac.count == Self.sizeBytes)
        self.mac = mac
    }

    package func encode(into bytes: inout [UInt8]) { bytes += mac }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) { mac = try bytes.takeBytes(Self.sizeBytes) }
}

/// REJECT: why the sender closes now.
///
///     reason  1               Reason
///     detail  varint, bytes   UTF-8 for people, at most 256 bytes
package struct Reject: Equatable, Sendable {
    package enum Reason: UInt8, Sendable, CaseIterable {
        case cluster = 1
        case auth = 2
        case version = 3
        case codeSecret = 4
        case characterMap = 5
        case duplicateNode = 6
        /// The node has reached itself.
        case own = 7
        case retired = 8
        case skew = 9
        case busy = 10
        /// Its program is too old for what the members write.
        case logFormat = 11
    }

    package var reason: Reason
    package var detail: String

    package init(_ reason: Reason, _ detail: String) { (self.reason, self.detail) = (reason, detail) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(reason.rawValue)
        bytes.append(lengthPrefixed: Array(detail.utf8))
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard let reason = Reason(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.reason = reason
        let text = try bytes.takeLengthPrefixed()
        guard text.count <= WireLimits.rejectDetailBytes, let detail = String(validating: text, as: UTF8.self)
        else { throw MalformedBytes() }
        self.detail = detail
    }
}
