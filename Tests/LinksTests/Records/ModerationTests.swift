import Primitives
import Testing

@testable import Links

@Suite struct ModerationTests {
    private let origin = Origin(region: 0x32, node: 3, incarnation: 0x0102_0304_0506_0708)

    /// The formats of the page Formats, byte for byte.
    @Test func keys() throws {
        let link = LinkKey.generated(region: 0x31, node: 2, number: 0x0102_0304_0502)
        let cases: [(ModerationKey, [UInt8])] = [
            (.block(link), [1, 1, 0x31, 2, 1, 2, 3, 4, 5, 2]), (.block(.alias(Array("ab".utf8))), [1, 3, 0x61, 0x62]),
            (.report(0x0102 << 112 | 9), [2, 1, 2] + [UInt8](repeating: 0, count: 13) + [9]),
            (
                .audit(stamp: 0x0a0b, origin: origin),
                [3, 0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0x32, 3, 1, 2, 3, 4, 5, 6, 7, 8]
            ),
        ]
        for (key, bytes) in cases {
            #expect(key.bytes == bytes)
            #expect(try ModerationKey(decoding: bytes.span.bytes) == key)
            #expect(ModerationKey(text: key.text) == key)
        }
        for bad in [[], [1], [1, 9], [2, 1], [2] + [UInt8](repeating: 0, count: 17), [3, 1], [4, 1, 2]] as [[UInt8]] {
            #expect(throws: MalformedBytes.self) { try ModerationKey(decoding: bad.span.bytes) }
        }
        let longest = ModerationKey.block(.alias([UInt8](repeating: 0x61, count: 255)))
        #expect(longest.bytes.count == ModerationKey.maximumSizeBytes)
        #expect(ModerationKey(text: "AQ!") == nil)
    }

    private func block(_ change: (inout BlockBody) -> Void) -> ModerationBody {
        var body = BlockBody()
        change(&body)
        return .block(body)
    }

    /// Fields of unknown tags lie between and behind those that are known.
    @Test func bodies() throws {
        let link = LinkKey.alias(Array("name".utf8))
        var report = ReportBody(link, category: "phishing", reportedAt: Instant(milliseconds: 5))
        let open = report
        (report.comment, report.contact) = ("it is", "me@example.com")
        report.decision = ReportBody.Decision(
            .dismiss, by: [1, 2], at: Instant(milliseconds: 7), reason: "it is not")
        report.unknown = [UnknownField(tag: 30, content: [1])]
        var audit = AuditBody("block", on: "/name", by: [7], detail: "why")
        audit.unknown = [UnknownField(tag: 6, content: [])]
        let id = ModerationKey.report(1)
        let line = ModerationKey.audit(stamp: 1, origin: origin)
        let cases: [(ModerationKey, ModerationBody)] = [
            (.block(link), block { _ in }),
            (.block(link), block { ($0.isBlocked, $0.source, $0.reason, $0.by) = (false, .list("l"), "r", [9]) }),
            (.block(link), block { ($0.isBlocked, $0.turn, $0.liftedFor) = (false, 3, [1, 2]) }),
            (
                .block(link),
                block { $0.unknown = [2, 4, 9].map { UnknownField(tag: $0, content: [UInt8($0)]) } }
            ), (id, .report(open)), (id, .report(report)), (line, .audit(audit)),
        ]
        for (key, body) in cases {
            var bytes: [UInt8] = []
            body.encode(into: &bytes)
            #expect(try ModerationBody(key, decoding: bytes.span.bytes) == body)
        }
    }

    @Test func malformedBodies() {
        let block = ModerationKey.block(.snowflake(number: 1))
        let report = ModerationKey.report(1)
        let cases: [(ModerationKey, [UInt8])] = [
            (block, []), (block, [16]), (block, [128]), (block, [0, 1, 2, 0x61]), (block, [0, 3, 0, 1, 0]),
            (block, [0, 1, 1, 0xff]), (report, [0]), (report, [8, 1, 2, 3, 0x61]), (report, [0, 1, 1, 9]),
            (report, [0, 1, 2, 3, 0x61, 5, 2, 0, 0]), (report, [0, 1, 2, 3, 0x61, 6, 1, 0x62]),
            (.audit(stamp: 1, origin: origin), [1]),
        ]
        for (key, bytes) in cases {
            #expect(throws: MalformedBytes.self, "\(bytes)") { try ModerationBody(key, decoding: bytes.span.bytes) }
        }
    }
}
