import Glibc

/// A certificate with P-256 for `sho.rt`, and its key.
struct SelfSignedCertificate {
    let certificate, key: String

    /// In `directory`, which is there.
    init(in directory: String) throws {
        guard let openssl = findProgram("openssl") else {
            throw LabError("openssl is not installed; no certificate can be made")
        }
        (certificate, key) = (directory + "/tls.pem", directory + "/tls.key")
        _ = try runToEnd([
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            key,
            "-out", certificate, "-days", "30", "-subj", "/CN=sho.rt", "-addext", "subjectAltName=DNS:sho.rt",
        ])
        chmod(key, 0o600)
        chmod(certificate, 0o644)
    }

    /// Of a node that serves HTTPS with it.
    var flags: [String] {
        ["--listen_tls", "127.0.0.1:0", "--tls_certificate", certificate, "--tls_key", key]
    }
}
