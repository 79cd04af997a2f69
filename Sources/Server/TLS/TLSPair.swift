import Glibc

/// A certificate that clients are shown, and its key, as their files held them.
struct TLSPair: Equatable, Sendable {
    let certificatePath, keyPath: String
    /// In PEM: the certificate with those between it and the authority, and the key.
    let certificate, key: [UInt8]
    /// Of the key: see `PrivateKey`.
    let keyType: Int32
    /// Which hosts it is for, in lower case; `*.` may stand before one.
    let names: [String]
    /// When the certificate ends, in seconds since 1970.
    let end: Int
}

extension Configuration {
    /// Of the files of `tls_certificate` and `tls_key`.
    var tlsMarks: [FileMark?] { (tlsCertificates + tlsKeys).map { FileMark($0) } }

    /// What the files of `tls_certificate` and `tls_key` hold, pair by pair; none without `listen_tls`. A certificate whose time
    /// is over is taken all the same: clients say so, and what they are told is not worse than silence.
    ///
    /// - Parameters:
    ///   - user: the user that the process becomes, if it will be another one.
    ///   - held: what a running node holds. Root's key, which the node cannot read any more, stays as it is.
    /// - Throws: a `SecretFileError` or a `CertificateError`.
    func readTLSPairs(user: uid_t? = nil, held: [TLSPair] = []) throws -> [TLSPair] {
        guard listenTLS != nil else { return [] }
        return try zip(tlsCertificates, tlsKeys).map { certificatePath, keyPath in
            let certificate = try SecretFile.read(
                certificatePath, sizes: Self.pemBytes, user: user, access: .readers)
            let key: [UInt8]
            if let held = held.first(where: { $0.keyPath == keyPath }), access(keyPath, R_OK) != 0, errno == EACCES {
                key = held.key
            } else {
                key = try SecretFile.read(keyPath, sizes: Self.pemBytes, user: user)
            }
            guard let parsed = Certificate(pem: certificate) else {
                throw CertificateError("\(certificatePath): it holds no certificate in PEM")
            }
            guard let parsedKey = PrivateKey(pem: key) else {
                throw CertificateError("\(keyPath): it holds no private key in PEM without a passphrase")
            }
            guard parsed.belongs(to: parsedKey) else {
                throw CertificateError("\(keyPath): it is not the key of the certificate in \(certificatePath)")
            }
            return TLSPair(
                certificatePath: certificatePath, keyPath: keyPath, certificate: certificate, key: key,
                keyType: parsedKey.type, names: parsed.hosts, end: parsed.end)
        }
    }
}
