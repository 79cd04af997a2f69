import Links
import Primitives

/// Why a file of `jwt_keys` cannot be used. Never holds anything of a key.
struct JWTKeyError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A set of public keys as RFC 7517 5 has it, read and not yet tried.
struct JSONWebKeySet: Equatable {
    struct Key: Equatable {
        let id: String?
        let algorithm: JWTAlgorithm
        /// SubjectPublicKeyInfo (RFC 5280 4.1.2.7), in DER.
        let encoded: [UInt8]
    }

    /// A key that is not for this, or cannot be used.
    struct Unused: Error, Equatable {
        var id: String?
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private(set) var keys: [Key] = []
    private(set) var unused: [Unused] = []

    /// - Throws: if it is no such set, or holds what is secret.
    init(_ json: [UInt8]) throws(JWTKeyError) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(json) } catch {
            throw JWTKeyError(error.message(of: "it"))
        }
        guard case .object(let members) = value, case .array(let elements)? = members["keys"] else {
            throw JWTKeyError("it is no JSON Web Key Set: an object with an array \"keys\"")
        }
        for element in elements {
            guard case .object(let members) = element else { throw JWTKeyError("one of its keys is no object") }
            // What has the means to sign belongs to whoever signs, and nowhere else.
            guard members["d"] == nil, members["k"] == nil, members["kty"] != .string("oct") else {
                throw JWTKeyError("it holds a private key; give the public one alone")
            }
            do throws(Unused) { keys.append(try Self.key(members)) } catch {
                var unused = error
                if case .string(let id)? = members["kid"] { unused.id = id }
                self.unused.append(unused)
            }
        }
    }

    private static func key(_ members: [String: JSONValue]) throws(Unused) -> Key {
        func text(_ name: String) throws(Unused) -> String? {
            guard let value = members[name] else { return nil }
            guard case .string(let text) = value else { throw Unused("\(name) is no string") }
            return text
        }
        func bytes(_ name: String, count: Int? = nil) throws(Unused) -> [UInt8] {
            guard let text = try text(name), let bytes = Base64URL.decode(Array(text.utf8).span.bytes),
                count == nil || bytes.count == count
            else { throw Unused("\(name) is not what such a key has") }
            return bytes
        }
        let id = try text("kid")
        if let use = try text("use"), use != "sig" { throw Unused("its use is another one") }
        if let operations = members["key_ops"] {
            guard case .array(let names) = operations, names.contains(.string("verify")) else {
                throw Unused("key_ops has no verify")
            }
        }
        let (algorithm, encoded): (JWTAlgorithm, [UInt8])
        switch (try text("kty"), try text("crv")) {
        case ("RSA", _): (algorithm, encoded) = (.rs256, DER.rsaKey(try bytes("n"), try bytes("e")))
        case ("EC", "P-256"):
            (algorithm, encoded) = (.es256, DER.p256Key(try bytes("x", count: 32), try bytes("y", count: 32)))
        case ("OKP", "Ed25519"): (algorithm, encoded) = (.edDSA, DER.ed25519Key(try bytes("x", count: 32)))
        default: throw Unused("its type is none of RSA, EC with P-256 and OKP with Ed25519")
        }
        if let name = try text("alg"), name != algorithm.rawValue {
            throw Unused("its alg is not \(algorithm.rawValue)")
        }
        return Key(id: id, algorithm: algorithm, encoded: encoded)
    }
}

/// As much of DER (X.690 10) as keys and signatures need.
enum DER {
    private static let sequenceTag: UInt8 = 0x30, integerTag: UInt8 = 0x02, bitStringTag: UInt8 = 0x03

    /// A public key of RFC 8017 A.1.1, by RFC 3279 2.3.1.
    static func rsaKey(_ modulus: [UInt8], _ exponent: [UInt8]) -> [UInt8] {
        key(
            [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00],
            element(sequenceTag, integer(modulus[...]) + integer(exponent[...])))
    }

    /// A point of the curve, uncompressed (RFC 5480 2).
    static func p256Key(_ x: [UInt8], _ y: [UInt8]) -> [UInt8] {
        key(
            [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]
                + [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], [0x04] + x + y)
    }

    /// RFC 8410 4.
    static func ed25519Key(_ bytes: [UInt8]) -> [UInt8] { key([0x06, 0x03, 0x2b, 0x65, 0x70], bytes) }

    /// ECDSA-Sig-Value (RFC 3279 2.2.3) of the two halves.
    static func signature(_ bytes: [UInt8]) -> [UInt8] {
        element(sequenceTag, integer(bytes[..<(bytes.count / 2)]) + integer(bytes[(bytes.count / 2)...]))
    }

    /// - Parameter algorithm: the content of its AlgorithmIdentifier.
    private static func key(_ algorithm: [UInt8], _ key: [UInt8]) -> [UInt8] {
        element(sequenceTag, element(sequenceTag, algorithm) + element(bitStringTag, [0] + key))
    }

    /// A number that is not negative, big-endian.
    private static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let digits = Array(bytes.drop { $0 == 0 })
        return element(integerTag, (digits.first ?? 0x80) < 0x80 ? digits : [0] + digits)
    }

    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}
