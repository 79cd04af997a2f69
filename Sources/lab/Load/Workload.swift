import Glibc
import Primitives

/// The requests of a load: all alike but for a few bytes in one place.
package struct Workload {
    package enum Filling {
        /// Codes of one length, by an order that is walked round and round.
        case codes([UInt8], order: [UInt32])
        /// Decimal digits that count up from 0.
        case counter
    }

    /// One request.
    package let template: [UInt8]
    /// What differs.
    package let slot: Range<Int>
    package let filling: Filling
    /// Answers of another status are counted as failures.
    package let expectedStatus: Int
    private var position = 0

    private init(_ head: String, slotBytes: Int, _ tail: String, _ filling: Filling, expectedStatus: Int) {
        template = Array((head + String(repeating: "0", count: slotBytes) + tail).utf8)
        slot = head.utf8.count..<head.utf8.count + slotBytes
        (self.filling, self.expectedStatus) = (filling, expectedStatus)
    }

    /// Redirects of codes by a Zipf-like law: the n-th is asked for about 1/n as often as the first.
    package static func redirects(_ codes: [[UInt8]], requests: Int = 200_000, seed: UInt64 = 42) -> Workload {
        precondition(!codes.isEmpty && codes.allSatisfy { $0.count == codes[0].count })
        var random = SeededRandom(seed: seed)
        let order = (0..<requests).map { _ in
            UInt32(min(codes.count, Int(pow(Double(codes.count), Double.random(in: 0..<1, using: &random)))) - 1)
        }
        return Workload(
            "GET /", slotBytes: codes[0].count,
            " HTTP/1.1\r\nHost: sho.rt\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
                + "Accept: text/html,*/*\r\nAccept-Language: en\r\n\r\n",
            .codes(codes.flatMap { $0 }, order: order), expectedStatus: 302)
    }

    /// Creates of links that differ in a number.
    package static func creates() -> Workload {
        let start = #"{"long_url":"https://example.com/very/long/path/that/is/typical?utm_source=x&id="#
        let digits = 12
        let head =
            "POST /api/v1/urls HTTP/1.1\r\nHost: sho.rt\r\nContent-Type: application/json\r\nContent-Length: "
            + "\(start.utf8.count + digits + 2)\r\n\r\n" + start
        return Workload(head, slotBytes: digits, "\"}", .counter, expectedStatus: 201)
    }

    /// Writes the next request's own bytes into a copy of the template at `request`.
    mutating func fill(_ request: UnsafeMutablePointer<UInt8>) {
        let place = request + slot.lowerBound
        switch filling {
        case .codes(let codes, let order):
            let start = Int(order[position]) * slot.count
            codes.withUnsafeBufferPointer { place.update(from: $0.baseAddress! + start, count: slot.count) }
            position = position + 1 == order.count ? 0 : position + 1
        case .counter:
            var rest = position
            for offset in stride(from: slot.count - 1, through: 0, by: -1) {
                place[offset] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            position += 1
        }
    }
}
