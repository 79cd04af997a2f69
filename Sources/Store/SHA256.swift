import COpenSSL

/// SHA-256 by OpenSSL; the only file that asks it for hashes. One hasher belongs to one thread.
package final class SHA256Hasher {
    private let context = EVP_MD_CTX_new()!
    private let algorithm = EVP_MD_fetch(nil, "SHA256", nil)!  // Fetched once: each fetch takes locks.

    package init() {}

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    /// The hash of the pieces one after the other: 32 bytes.
    package func hash(_ pieces: [UInt8]...) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        var sound = EVP_DigestInit_ex2(context, algorithm, nil) == 1
        for piece in pieces { sound = EVP_DigestUpdate(context, piece, piece.count) == 1 && sound }
        sound = EVP_DigestFinal_ex(context, &result, nil) == 1 && sound
        precondition(sound, "SHA-256 has no way to fail on bytes in memory")
        return result
    }

    /// Whether two hashes are the same. Takes as long wherever they differ, so that the time tells nothing of a secret.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }
}
