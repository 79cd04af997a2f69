import Links
import Primitives
import Testing

@Suite struct LinkPatchTests {
    private static func encoded(_ patch: LinkPatch) -> [UInt8] {
        var bytes: [UInt8] = []
        patch.encode(into: &bytes)
        return bytes
    }

    /// A link that has everything.
    private static var link: LinkBody {
        var link = LinkBody()
        link.destination = Array("https://example.com/a".utf8)
        (link.expiresAt, link.title, link.tags) = (Instant(milliseconds: 1 << 40), "A title", ["a", "b"])
        (link.owner, link.claimID, link.flags) = (Array("somebody".utf8), 7, .forwardsQuery)
        link.creation = Creation(stamp: 5, origin: Origin(region: 0x31, node: 3, incarnation: 9))
        link.unknown = [.init(tag: 9, content: [1])]
        return link
    }

    /// Each set of members changes those alone, be it to another value or to none.
    @Test func changesWhatItNames() throws {
        var wanted = LinkBody()
        wanted.destination = Array("https://example.org/b".utf8)
        (wanted.expiresAt, wanted.title, wanted.tags) = (Instant(milliseconds: 1 << 41), "", ["c"])
        wanted.flags = .inactive
        var nothing = LinkBody()
        nothing.destination = wanted.destination
        for body in [wanted, nothing] {
            for bits in UInt8(1)..<64 {
                var patch = LinkPatch()
                (patch.members, patch.body) = (LinkPatch.Members(rawValue: bits), body)
                #expect(try LinkPatch(decoding: Self.encoded(patch).span.bytes) == patch)
                var expected = Self.link
                if bits & 1 != 0 { expected.destination = body.destination }
                if bits & 2 != 0 { expected.expiresAt = body.expiresAt }
                if bits & 4 != 0 { expected.title = body.title }
                if bits & 8 != 0 { expected.tags = body.tags }
                if bits & 16 != 0, body.flags.contains(.inactive) { expected.flags.insert(.inactive) }
                if bits & 32 != 0 { expected.flags.remove(.forwardsQuery) }
                #expect(patch.applied(to: Self.link) == expected, "\(bits)")
            }
        }
    }

    @Test func activates() {
        var patch = LinkPatch()
        patch.members = .isActive
        var link = Self.link
        link.flags.insert(.inactive)
        #expect(patch.applied(to: link) == Self.link)
    }

    @Test func forwards() {
        var patch = LinkPatch()
        (patch.members, patch.body.flags) = (.forwardsQuery, [.forwardsQuery, .inactive])
        var link = Self.link
        link.flags.remove(.forwardsQuery)
        #expect(patch.applied(to: link) == Self.link)
    }

    /// No member, an unknown one, no destination, no body.
    @Test(arguments: [[], [0, 0], [64, 0], [1, 0], [4]] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        #expect(throws: MalformedBytes.self) { try LinkPatch(decoding: bytes.span.bytes) }
    }
}
