import Glibc

/// What the files with secrets hold, as far as the configuration names them: read before root is given up.
struct NodeSecrets {
    let code: [UInt8]?
    let cluster: ClusterSecret?
    let replicationTLS: ReplicationTLS?
    /// For HTTPS; none without it. And what is known of the files.
    let tlsPairs: [TLSPair]
    let tlsMarks: [FileMark?]
    /// For tokens, which is no secret; nil if none are taken.
    let jwtKeys: JWTKeys?
    let jwtMarks: [FileMark?]
    /// That `lookup_service` wants.
    let lookupKey: String?

    /// - Parameter user: the user that the process becomes, if it will be another one.
    /// - Throws: a `SecretFileError`, a `CertificateError` or a `JWTKeyError`.
    init(_ configuration: Configuration, user: uid_t?) throws {
        code = try configuration.readCodeSecret(user: user)
        cluster = try configuration.readClusterSecret(user: user)
        replicationTLS = try configuration.readReplicationTLS(user: user)
        tlsMarks = configuration.tlsMarks
        tlsPairs = try configuration.readTLSPairs(user: user)
        jwtMarks = configuration.jwtMarks
        jwtKeys = try configuration.readJWTKeys(user: user)
        lookupKey = try configuration.readLookupKey(user: user)
    }
}

/// What the files of `replication_tls_certificate`, `_key` and `_ca` hold, in PEM: a certificate of this node, its key, and
/// the certificates that those of peers must go back to.
struct ReplicationTLS: Equatable, Sendable {
    let certificate: [UInt8]
    let key: [UInt8]
    let authority: [UInt8]
    /// When the certificate ends, in seconds since 1970.
    let end: Int
    /// Where the key was read.
    fileprivate let keyPath: String
}

extension Configuration {
    static let pemBytes = 64...1 << 18

    /// The three files, which go together: nil if none is named. The certificate is this node's, goes back to the
    /// authority, and has the key. Whether its time has come, or is over, is left to the connections: redirects go on.
    ///
    /// - Parameters:
    ///   - user: the user that the process becomes, if it will be another one.
    ///   - held: what a running node holds. Root's key, which the node cannot read any more, stays as it is.
    /// - Throws: a `SecretFileError` or a `CertificateError`.
    func readReplicationTLS(user: uid_t? = nil, held: ReplicationTLS? = nil) throws -> ReplicationTLS? {
        guard let certificatePath = replicationTLSCertificate, let keyPath = replicationTLSKey,
            let authorityPath = replicationTLSCA
        else { return nil }
        let certificate = try SecretFile.read(certificatePath, sizes: Self.pemBytes, user: user, access: .readers)
        let authority = try SecretFile.read(authorityPath, sizes: Self.pemBytes, user: user, access: .readers)
        let key: [UInt8]
        if let held, held.keyPath == keyPath, access(keyPath, R_OK) != 0, errno == EACCES {
            key = held.key
        } else {
            key = try SecretFile.read(keyPath, sizes: Self.pemBytes, user: user)
        }
        let name = Certificate.name(cluster: cluster, region: region, node: node)
        guard let parsed = Certificate(pem: certificate) else {
            throw CertificateError("\(certificatePath): it holds no certificate in PEM")
        }
        if let objection = parsed.objection(name, keyPEM: key, authorityPEM: authority) {
            throw CertificateError("\(certificatePath): \(objection)")
        }
        return ReplicationTLS(
            certificate: certificate, key: key, authority: authority, end: parsed.end, keyPath: keyPath)
    }
}
