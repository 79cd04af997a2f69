import COpenSSL
import Glibc

/// Who signs the certificates of a cluster's nodes.
///
/// A certificate says who a node is, for connections in both directions, and nothing else: it signs no others.
struct CertificateAuthority: ~Copyable {
    static let days = 3650
    /// Before its making, for machines whose clocks are behind.
    private static let leadSeconds = 3600

    let key: PrivateKey
    let certificate: Certificate
    let cluster: String

    /// A new one.
    init(cluster: String) {
        let key = PrivateKey()
        let now = time(nil)
        let draft = Self.draft(cluster, "edge replication", key, now, until: now + Self.days * 86_400)
        X509_set_issuer_name(draft.handle, X509_get_subject_name(draft.handle))
        Self.extend(
            draft, by: draft,
            [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        precondition(X509_sign(draft.handle, key.handle, nil) > 0, "signing has no way to fail")
        self.key = key
        self.certificate = draft
        self.cluster = cluster
    }

    /// What two files hold.
    init(certificatePEM: [UInt8], keyPEM: [UInt8]) throws(CertificateError) {
        guard let certificate = Certificate(pem: certificatePEM), X509_check_ca(certificate.handle) == 1 else {
            throw CertificateError("ca.pem holds no certificate of an authority; restore it from a copy")
        }
        guard let cluster = certificate.organization,
            (try? ValueSyntax<String>.clusterName.read(cluster)) == cluster
        else {
            throw CertificateError("ca.pem names no cluster as its organization; edge cluster init makes one that does")
        }
        guard let key = PrivateKey(pem: keyPEM) else {
            throw CertificateError("ca.key holds no private key; restore it from a copy")
        }
        guard certificate.belongs(to: key) else {
            throw CertificateError("ca.key is not the key of ca.pem; restore both from one copy")
        }
        self.key = key
        self.certificate = certificate
        self.cluster = cluster
    }

    /// A certificate of one node, for `days` days, or up to the end of the authority's own.
    func issue(region: String, node: Int, key: borrowing PrivateKey, days: Int) throws(CertificateError) -> Certificate
    {
        let now = time(nil)
        guard certificate.end > now else {
            throw CertificateError("ca.pem has ended; edge cluster init makes another, in another directory")
        }
        let end = min(now + days * 86_400, certificate.end)
        let draft = Self.draft(cluster, "\(region)/\(node)", key, now, until: end)
        X509_set_issuer_name(draft.handle, X509_get_subject_name(certificate.handle))
        Self.extend(
            draft, by: certificate,
            [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "clientAuth,serverAuth"),
                (NID_subject_alt_name, "URI:" + Certificate.name(cluster: cluster, region: region, node: node)),
                (NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always"),
            ])
        // Ed25519 has a hash of its own; other keys in `ca.key` take OpenSSL's choice.
        guard X509_sign(draft.handle, self.key.handle, nil) > 0 else {
            throw CertificateError("ca.key cannot sign")
        }
        return draft
    }

    /// A certificate without issuer and extensions; its serial number is random (RFC 5280 4.1.2.2).
    private static func draft(
        _ cluster: String, _ name: String, _ key: borrowing PrivateKey, _ now: Int, until end: Int
    ) -> Certificate {
        let draft = Certificate(X509_new()!)
        let (serial, subject) = (BN_new(), X509_get_subject_name(draft.handle))
        defer { BN_free(serial) }
        let isMade =
            X509_set_version(draft.handle, 2) == 1 && BN_rand(serial, 126, 0, 0) == 1
            && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(draft.handle)) != nil
            && ASN1_TIME_set(X509_getm_notBefore(draft.handle), now - leadSeconds) != nil
            && ASN1_TIME_set(X509_getm_notAfter(draft.handle), end) != nil
            && X509_NAME_add_entry_by_NID(subject, NID_organizationName, MBSTRING_UTF8, cluster, -1, -1, 0) == 1
            && X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name, -1, -1, 0) == 1
            && X509_set_pubkey(draft.handle, key.handle) == 1
        precondition(isMade, "names are short enough, and memory does not run out")
        return draft
    }

    private static func extend(
        _ draft: borrowing Certificate, by issuer: borrowing Certificate, _ values: [(id: Int32, text: String)]
    ) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer.handle, draft.handle, nil, nil, 0)
        for value in values {
            let part = X509V3_EXT_conf_nid(nil, &context, value.id, value.text)
            defer { X509_EXTENSION_free(part) }
            precondition(part != nil && X509_add_ext(draft.handle, part, -1) == 1, "\(value.text) is in its syntax")
        }
    }
}

/// `MBSTRING_FLAG | 0`, which Swift cannot read from the header.
private let MBSTRING_UTF8: Int32 = 0x1000
