import HTTP
import Primitives

/// What a request came to, as the access log says it.
package enum AccessResult: UInt8 {
    case redirect, unknown, gone, damaged, limited, health, api, refused, blocked

    package var name: StaticString {
        switch self {
        case .redirect: "redirect"
        case .unknown: "unknown"
        case .gone: "gone"
        case .damaged: "damaged"
        case .limited: "limited"
        case .health: "health"
        case .api: "api"
        case .refused: "refused"
        case .blocked: "blocked"
        }
    }
}

/// One answered request, as a worker hands it to the access log's thread: without the query, the fields and the body, in
/// which secrets may be.
///
///     milliseconds since 1970  8      status            2      address         16
///     microseconds taken       4      method            1      path       the rest
///     bytes of the answer      4      result            1        TLS version   1, 0 without
package struct AccessRecord {
    static let headBytes = 37
    /// A longer path is cut.
    static let pathBytes = 1024

    var instant: Instant
    var microseconds: UInt32
    var answerBytes: UInt32
    var status: UInt16
    /// Nil if the request could not be read.
    var method: RequestHead.Method?
    var result: AccessResult
    var client: IPAddress
    /// Nil: plain HTTP.
    var tls: TLSVersion?

    /// The bytes before the path.
    package var head: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headBytes)
        bytes.append(bigEndian: instant.milliseconds)
        bytes.append(bigEndian: microseconds)
        bytes.append(bigEndian: answerBytes)
        bytes.append(bigEndian: status)
        bytes.append(method?.rawValue ?? .max)
        bytes.append(result.rawValue)
        bytes.append(bigEndian: client.high)
        bytes.append(bigEndian: client.low)
        bytes.append(tls?.rawValue ?? 0)
        return bytes
    }

    package init(
        at instant: Instant, microseconds: Int64, answerBytes: Int, status: Int, method: RequestHead.Method?,
        result: AccessResult, client: IPAddress, tls: TLSVersion? = nil
    ) {
        self.instant = instant
        self.microseconds = UInt32(clamping: microseconds)
        self.answerBytes = UInt32(clamping: answerBytes)
        self.status = UInt16(clamping: status)
        (self.method, self.result, self.client, self.tls) = (method, result, client, tls)
    }

    /// Reads what `head` wrote; the path is what is left of `bytes`.
    package init(_ bytes: inout RawSpan) throws(MalformedBytes) {
        instant = Instant(milliseconds: Int64(bitPattern: try bytes.takeUInt64()))
        microseconds = try bytes.takeUInt32()
        answerBytes = try bytes.takeUInt32()
        status = try bytes.takeUInt16()
        method = RequestHead.Method(rawValue: try bytes.takeByte())
        guard let result = AccessResult(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.result = result
        client = IPAddress(high: try bytes.takeUInt64(), low: try bytes.takeUInt64())
        tls = TLSVersion(rawValue: try bytes.takeByte())
    }
}

extension IPAddress {
    /// The network as the access log shows it, which tells where from and not who: /24 of IPv4, /48 of IPv6.
    package var shownNetwork: String {
        isIPv4
            ? "\(IPAddress(high: high, low: low & ~0xff))/24" : "\(IPAddress(high: high & ~0xffff, low: 0))/48"
    }
}
