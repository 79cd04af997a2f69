import Primitives
import Synchronization

/// How tokens are checked at present: one for the node, changed by a reload and when its files change.
///
/// Safety: `current` and `counts` may be asked by any thread; the rest is the main thread's.
final class JWTVerifiers: @unchecked Sendable {
    struct Verifier: Sendable {
        let keys: JWTKeys
        let rules: JWTRules
        /// Of no other one.
        fileprivate(set) var number = 0

        /// What a token says, if it holds at `now`.
        func claims(of text: [UInt8], now: Instant) throws(JWTRefusal) -> JWTClaims {
            let token = try JSONWebToken(text)
            try keys.verify(token)
            let claims = try JWTClaims(token.payload)
            try claims.check(rules, now: now)
            return claims
        }
    }

    private let held: Mutex<(verifier: Verifier?, number: Int)>
    private var watch: FileWatch
    let counts = JWTCounts()

    /// - Parameters:
    ///   - keys: nil: tokens are not taken.
    ///   - marks: of the files that they were read from, taken before.
    init(_ keys: JWTKeys?, _ rules: JWTRules, marks: [FileMark?]) {
        held = Mutex((keys.map { Verifier(keys: $0, rules: rules) }, 0))
        watch = FileWatch(marks)
        Self.tell(keys)
    }

    /// Nil: tokens are not taken.
    var current: Verifier? { held.withLock { $0.verifier } }

    // MARK: The main thread

    /// What a reload is to put in effect, or why it cannot be.
    ///
    /// - Throws: a `SecretFileError` or a `JWTKeyError`.
    func prepare(_ configuration: Configuration) throws -> () -> Void {
        let marks = configuration.jwtMarks
        let keys = try configuration.readJWTKeys()
        let rules = configuration.jwtRules
        return { [self] in
            held.withLock {
                $0.number += 1
                $0.verifier = keys.map { [number = $0.number] in Verifier(keys: $0, rules: rules, number: number) }
            }
            watch.take(marks)
            Self.tell(keys)
        }
    }

    /// Reads the files again if they have changed and stand still now, and says what came of it.
    func look(_ configuration: Configuration, now: Int64) {
        guard let marks = watch.changed({ configuration.jwtMarks }, now: now) else { return }
        do {
            try prepare(configuration)()
            Log.write(.info, "jwt-keys-read", ["keys": .init(current?.keys.count ?? 0)])
        } catch {
            watch.refuse(marks)
            Log.write(.error, "jwt-keys-refused", ["reason": .string("\(error)")])
        }
    }

    /// Of keys that are there and not used.
    private static func tell(_ keys: JWTKeys?) {
        for unused in keys?.unused ?? [] {
            Log.write(
                .warning, "jwt-key-unused",
                [
                    "file": .string(unused.file), "kid": .string(unused.id ?? "none"),
                    "reason": .string(unused.reason),
                ])
        }
    }
}

/// What came of the tokens that requests brought. Any thread counts.
final class JWTCounts: Sendable {
    struct Figures {
        /// By their signature, and known from before.
        var verified: UInt64 = 0
        var remembered: UInt64 = 0
        var refused: [JWTRefusal: UInt64] = [:]
    }

    private let held = Mutex(Figures())

    var figures: Figures { held.withLock { $0 } }

    func note(_ change: (inout Figures) -> Void) { held.withLock { change(&$0) } }
}
