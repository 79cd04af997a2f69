/// Why a request was not understood. The answer is its status, and then the connection closes: where the next request
/// would begin is not known.
package enum Refusal: Int, Error, Sendable {
    /// Against the grammar, or framed in a way that two readers could read differently.
    case malformed = 400
    case bodyTooLarge = 413
    case targetTooLong = 414
    /// An expectation other than `100-continue` (RFC 9110 10.1.1).
    case expectationFailed = 417
    case headTooLarge = 431
    /// A transfer coding that is not known, CONNECT, or a method too long to be one.
    case notImplemented = 501
    case versionNotSupported = 505

    package var status: Int { rawValue }
}
