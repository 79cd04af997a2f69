/// What signs tokens here (RFC 7518 3.1, RFC 8037 3.1). There is no other: no `none`, and nothing that has one secret for
/// signing and checking.
enum JWTAlgorithm: String, CaseIterable, Sendable {
    /// RSA PKCS #1 v1.5 with SHA-256, of 2048 bits and more.
    case rs256 = "RS256"
    /// ECDSA on P-256 with SHA-256.
    case es256 = "ES256"
    /// Ed25519 alone.
    case edDSA = "EdDSA"
}

/// Why a token opens nothing. Its sender is not told: the raw values are for the log and the metrics.
enum JWTRefusal: String, Error, CaseIterable, Sendable {
    /// It is no token in the compact form, or too long.
    case malformed
    /// `alg` is none that is taken, or not that of the key.
    case algorithm
    /// It has `crit`: an extension that must be understood.
    case critical
    /// There is no key of its `kid`, nor one without a `kid`.
    case unknownKey = "unknown_key"
    case signature
    /// A claim is missing that is needed, or of another type.
    case claims
    case expired
    /// `nbf` is to come.
    case early
    case issuer
    case audience
    /// By its `jti` or its `sub`.
    case revoked
}

/// Bounds of JSON Web Tokens and of their keys.
enum JWTLimits {
    static let tokenBytes = 8192
    /// Of `sub` and `jti`: what can be revoked.
    static let nameBytes = KeyLimits.principalBytes
    /// Of `exp` and the like, in seconds before or after 1970.
    static let seconds = 1e12
    /// Files of `jwt_keys`, and the keys that they may hold together.
    static let files = 16
    static let keys = 256
    static let fileBytes = 1...1 << 18
    static let rsaBits: ClosedRange<Int32> = 2048...8192
    /// Keys that one token is tried with.
    static let candidates = 4
    /// Values of `jwt_issuer`, and of `jwt_audience`.
    static let names = 16
    static let leewayMilliseconds: ClosedRange<Int64> = 0...600_000
    /// Verified tokens that a thread remembers.
    static let remembered = 4096
    /// A line in the log of refused ones at most so often.
    static let logMilliseconds: Int64 = 1000
}
