import Glibc
import Primitives

/// The keys of `jwt_keys`, and which of them a token is checked with.
struct JWTKeys: Sendable {
    /// One that a file holds and that is not used.
    struct Unused: Equatable {
        let file: String
        let id: String?
        let reason: String
    }

    /// Keys of a `kid`, which only JSON Web Keys have.
    private var named: [String: [VerificationKey]] = [:]
    private var unnamed: [VerificationKey] = []
    private(set) var unused: [Unused] = []

    var count: Int { unnamed.count + named.values.reduce(0) { $0 + $1.count } }

    /// - Parameters:
    ///   - content: of a file, of which a brace is the first that is no blank if it is a JSON Web Key Set.
    ///   - file: its name.
    mutating func add(_ content: [UInt8], of file: String) throws(JWTKeyError) {
        guard content.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{") else {
            unnamed += try VerificationKey.all(pem: content)
            return
        }
        let set = try JSONWebKeySet(content)
        unused += set.unused.map { Unused(file: file, id: $0.id, reason: $0.reason) }
        for key in set.keys {
            let usable: VerificationKey
            do throws(JWTKeyError) { usable = try VerificationKey(key.encoded) } catch {
                unused.append(Unused(file: file, id: key.id, reason: error.description))
                continue
            }
            if let id = key.id { named[id, default: []].append(usable) } else { unnamed.append(usable) }
        }
    }

    /// - Throws: if its signature is not that of a key that it can be of. What else it says is not looked at.
    func verify(_ token: JSONWebToken) throws(JWTRefusal) {
        let keys = token.keyID.flatMap { named[$0] } ?? unnamed
        guard !keys.isEmpty else { throw .unknownKey }
        // What the token says of itself chooses among keys; how a key is used is the key's alone.
        let candidates = keys.filter { $0.algorithm == token.algorithm }.prefix(JWTLimits.candidates)
        guard !candidates.isEmpty else { throw .algorithm }
        guard candidates.contains(where: { $0.verifies(token.signature, of: token.signed) }) else { throw .signature }
    }
}

extension Configuration {
    /// Of the files of `jwt_keys`.
    var jwtMarks: [FileMark?] { jwtKeys.map { FileMark($0) } }

    var jwtRules: JWTRules {
        JWTRules(issuers: jwtIssuers, audiences: jwtAudiences, leewayMilliseconds: jwtLeewayMilliseconds)
    }

    /// What the files of `jwt_keys` hold; nil if there is none, and tokens are not taken.
    ///
    /// - Parameter user: the user that the process becomes, if it will be another one.
    /// - Throws: a `SecretFileError` or a `JWTKeyError`.
    func readJWTKeys(user: uid_t? = nil) throws -> JWTKeys? {
        guard !jwtKeys.isEmpty else { return nil }
        var keys = JWTKeys()
        for path in jwtKeys {
            let content = try SecretFile.read(path, sizes: JWTLimits.fileBytes, user: user, access: .readers)
            do throws(JWTKeyError) { try keys.add(content, of: path) } catch {
                throw JWTKeyError("\(path): \(error)")
            }
        }
        guard (1...JWTLimits.keys).contains(keys.count) else {
            throw JWTKeyError(
                "\(jwtKeys.joined(separator: ", ")): \(keys.count) keys that tokens can be checked with; 1 to "
                    + "\(JWTLimits.keys) are right")
        }
        return keys
    }
}
