/// The rules between the keys of HTTPS.
extension ConfigurationLoader {
    /// Nothing is said of what depends on a bad value.
    mutating func checkTLS() {
        guard failed.isDisjoint(with: ConfigurationKey.tls.map(\.name)) else { return }
        let (certificates, keys) = (configuration.tlsCertificates, configuration.tlsKeys)
        if certificates.count != keys.count {
            let key = places["tls_certificate"] == nil ? "tls_key" : "tls_certificate"
            report(
                places[key]!, key,
                BadValue(
                    problem: "tls_certificate has \(certificates.count) files, and tls_key \(keys.count)",
                    remedy: "write a key for each certificate, in the same order"))
        } else if configuration.listenTLS != nil, certificates.isEmpty {
            report(
                places["listen_tls"]!, "listen_tls",
                BadValue(
                    problem: "tls_certificate and tls_key are not set", remedy: "set both, or write listen_tls = off"))
        }
        if configuration.listenUpgrade != nil, configuration.listenTLS == nil {
            report(
                places["listen_upgrade"]!, "listen_upgrade",
                BadValue(
                    problem: "there is no HTTPS to lead to, because listen_tls is off",
                    remedy: "set listen_tls, or write listen_upgrade = off"))
        }
        if configuration.acmeDirectory != nil, configuration.listenUpgrade == nil {
            report(
                places["acme_directory"]!, "acme_directory",
                BadValue(
                    problem: "nobody can ask for what is there, because listen_upgrade is off",
                    remedy: "set listen_upgrade, or write acme_directory = none"))
        }
    }
}
