extension ConfigurationKey {
    /// The keys of HTTPS.
    static let tls: [ConfigurationKey] = [
        .init(
            "listen_tls", \.listenTLS, .optionalAddress,
            "address and port of public HTTPS; off: none; needs tls_certificate and tls_key"),
        .init(
            "tls_certificate", \.tlsCertificates, .certificates,
            "PEM files, each a certificate with those that signed it; chosen by the host asked for, else the first",
            reloadable: true),
        .init(
            "tls_key", \.tlsKeys, .certificates, "PEM files with the keys of tls_certificate, in the same order",
            reloadable: true, secret: true),
        .init(
            "hsts", \.hsts, .hsts,
            "Strict-Transport-Security of answers over TLS: off, 365d, or 365d includeSubDomains, or that and preload",
            reloadable: true),
        .init(
            "listen_upgrade", \.listenUpgrade, .optionalAddress,
            "address and port of plain HTTP that only leads to HTTPS, mostly port 80; off: none; needs listen_tls"),
        .init(
            "acme_directory", \.acmeDirectory, .optionalPath,
            "directory with answers to a certificate authority's http-01 challenges, for listen_upgrade; or none",
            reloadable: true),
    ]
}
