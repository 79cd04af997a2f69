import HTTP
import Primitives
import Testing

/// Reads text as one connection's bytes.
func read(_ text: String, splits: [Int] = []) -> [ReadEvent] { read(Array(text.utf8), splits: splits) }

func read(_ bytes: [UInt8], splits: [Int] = []) -> [ReadEvent] {
    RequestReader.readAll(bytes.span.bytes, splits: splits)
}

/// The events in short: `200` for a delivered request, `100` for an expected continue, a refusal's status, and nothing
/// for the end.
func statuses(_ events: [ReadEvent]) -> [Int] {
    events.compactMap { event in
        switch event {
        case .request, .message: 200
        case .continueExpected: 100
        case .refused(let refusal): refusal.status
        case .ended: nil
        }
    }
}

func statuses(_ text: String) -> [Int] { statuses(read(text)) }

/// The only request of `text`, without a body.
func head(_ text: String) throws -> RequestHead {
    guard case .request(let head, _)? = read(text).first else {
        throw UnexpectedEvents(events: read(text))
    }
    return head
}

func message(_ text: String) throws -> Message {
    guard case .message(let message)? = read(text).first(where: { $0 != .continueExpected }) else {
        throw UnexpectedEvents(events: read(text))
    }
    return message
}

struct UnexpectedEvents: Error { let events: [ReadEvent] }

extension String {
    func times(_ count: Int) -> String { String(repeating: self, count: count) }
}

/// A GET with a Host and the given further lines.
func get(_ lines: String..., target: String = "/") -> String {
    "GET \(target) HTTP/1.1\r\nHost: a.example\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// A POST with a Host, the given further lines and what follows the head.
func post(_ lines: String..., then rest: String = "") -> String {
    "POST /x HTTP/1.1\r\nHost: a.example\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n" + rest
}
