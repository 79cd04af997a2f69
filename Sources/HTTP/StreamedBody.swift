import Primitives

/// A body that is taken as it comes, however long it is, by whoever has taken its connection over. Nothing follows it:
/// the connection closes behind the answer.
package struct StreamedBody: Sendable {
    package enum Outcome: Equatable, Sendable { case incomplete, complete, refused(Refusal) }

    private enum Framing {
        case fixed(remaining: Int)
        case chunked(ChunkedBody)
    }

    private var framing: Framing
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 10.1.1).
    package let expectsContinue: Bool

    /// One in chunks, of an answer.
    package static var chunked: StreamedBody { StreamedBody(.chunked, expectsContinue: false) }

    /// What stood behind the body, line by line; what it says of the message is not to be believed (RFC 9110 6.5.1).
    package var trailer: String {
        guard case .chunked(let chunks) = framing else { return "" }
        return String(decoding: chunks.trailer, as: UTF8.self)
    }

    /// One of no bytes.
    package static var empty: StreamedBody { StreamedBody(.none, expectsContinue: false) }

    init(_ framing: HeadParser.Framing, expectsContinue: Bool) {
        self.framing =
            switch framing {
            case .none: .fixed(remaining: 0)
            case .length(let length): .fixed(remaining: length)
            case .chunked: .chunked(ChunkedBody(limitBytes: .max))
            }
        self.expectsContinue = expectsContinue
    }

    /// Appends to `content` what `bytes` hold of the body. What is not consumed comes again with more behind it; it is
    /// never more than one line of the framing.
    package mutating func decode(
        _ bytes: RawSpan, into content: inout [UInt8]
    ) -> (consumed: Int, outcome: Outcome) {
        switch framing {
        case .fixed(let remaining):
            let taken = min(remaining, bytes.byteCount)
            content.append(bytes.extracting(..<taken))
            framing = .fixed(remaining: remaining - taken)
            return (taken, taken == remaining ? .complete : .incomplete)
        case .chunked(var chunks):
            var offset = 0
            let outcome = chunks.decode(bytes, at: &offset, into: &content)
            framing = .chunked(chunks)
            switch outcome {
            case .incomplete: return (offset, .incomplete)
            case .complete: return (offset, .complete)
            case .refused(let refusal): return (offset, .refused(refusal))
            }
        }
    }
}
