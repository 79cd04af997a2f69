import Foundation

/// One connection to a node on loopback that asks and waits for the answer, as long as a bound lets it.
final class Client {
    struct Answer {
        var status: Int
        /// Names in lower case.
        var fields: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }

        func member(_ name: String) -> String? {
            (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])?[name] as? String
        }
    }

    private static let patienceSeconds = 30
    private let descriptor: Int32
    private var received: [UInt8] = []

    /// Nil if nobody listens.
    init?(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0 { return nil }
    }

    deinit { close(descriptor) }

    func create(_ json: String) -> Answer? {
        let body = Array(json.utf8)
        return exchange(
            "POST /api/v1/urls HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.count)\r\n\r\n\(json)")
    }

    func redirect(_ code: String) -> Answer? { exchange("GET /\(code) HTTP/1.1\r\nHost: edge\r\n\r\n") }

    /// How many people clicked, as the API tells; nil if it does not.
    func clicks(_ code: String) -> Int? {
        let answer = exchange("GET /api/v1/analytics/\(code) HTTP/1.1\r\nHost: edge\r\n\r\n")
        let object = answer.flatMap { try? JSONSerialization.jsonObject(with: Data($0.body)) as? [String: Any] }
        return object?["clicks"] as? Int
    }

    /// Nil if the connection ended, or was silent for too long, before the answer was whole.
    private func exchange(_ request: String) -> Answer? {
        let bytes = Array(request.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return nil }
            sent += count
        }
        while true {
            if let answer = takeAnswer() { return answer }
            var buffer = [UInt8](repeating: 0, count: 16_384)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { return nil }
            received += buffer[..<count]
        }
    }

    private func takeAnswer() -> Answer? {
        guard let answer = HTTPAnswers.first(in: received) else { return nil }
        received.removeFirst(answer.sizeBytes)
        return answer.answer
    }
}

/// Reads answers of the node's own form: a `Content-Length` wherever there is a body.
enum HTTPAnswers {
    /// Nil if the first answer is not whole.
    static func first(in bytes: [UInt8]) -> (answer: Client.Answer, sizeBytes: Int)? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased()] = parts.count == 2 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        let sizeBytes = end.upperBound + (fields["content-length"].flatMap { Int($0) } ?? 0)
        guard bytes.count >= sizeBytes else { return nil }
        let answer = Client.Answer(status: status, fields: fields, body: Array(bytes[end.upperBound..<sizeBytes]))
        return (answer, sizeBytes)
    }
}
