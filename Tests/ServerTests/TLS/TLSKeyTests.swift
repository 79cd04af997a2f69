import Server
import Testing

private let whole = "listen_tls = 0.0.0.0:443\ntls_certificate = a.pem, b.pem\ntls_key = a.key,b.key\n"

/// The keys of HTTPS.
@Suite struct TLSKeyTests {
    private func load(_ text: String) throws(ConfigurationErrors) -> Configuration {
        try Configuration.load(file: (path: "edge.conf", text: Array(text.utf8)), flags: [], cores: 2)
    }

    @Test func defaults() throws {
        let configuration = try load("")
        #expect(configuration.listenTLS == nil && configuration.listenUpgrade == nil && configuration.hsts == nil)
        #expect(configuration.tlsCertificates == [] && configuration.tlsKeys == [])
        for line in [
            "listen_tls = off", "tls_certificate = none", "tls_key = none", "hsts = off", "listen_upgrade = off",
        ] {
            #expect(configuration.text.contains(line + "\n"), "\(line)")
        }
    }

    @Test func allOfThem() throws {
        let configuration = try load(
            whole + "public_url = https://sho.rt\nlisten_upgrade = [::]:80\nacme_directory = /var/lib/acme\n")
        #expect(configuration.tlsCertificates == ["a.pem", "b.pem"] && configuration.tlsKeys == ["a.key", "b.key"])
        #expect(configuration.acmeDirectory == "/var/lib/acme" && configuration.warnings == [])
        #expect(configuration.text.contains("tls_certificate = a.pem, b.pem\n"))
        #expect(try load(configuration.text) == configuration)
        #expect(try load(whole).warnings.contains { $0.contains("listen_tls is set") })
    }

    /// Links are anybody's to make only where nobody from outside comes in, by whatever port.
    @Test func anonymousCreate() throws {
        #expect(try load("").anonymousCreate && !load(whole).anonymousCreate)
        #expect(try load(whole.replacing("0.0.0.0", with: "127.0.0.1")).anonymousCreate)
        #expect(try load(whole + "anonymous_create = on").anonymousCreate)
    }

    @Test(arguments: [
        ("1s", "max-age=1"), ("365d", "max-age=31536000"), ("0s", "max-age=0"),
        ("180d  includeSubDomains", "max-age=15552000; includeSubDomains"),
        ("730d includeSubDomains preload", "max-age=63072000; includeSubDomains; preload"),
    ])
    func hsts(text: String, value: String) throws {
        let configuration = try load("hsts = \(text)")
        #expect(configuration.hsts?.fieldValue == value)
        #expect(try load(configuration.text) == configuration)
    }

    @Test(arguments: [
        ("listen_tls = 0.0.0.0:443", 1, "listen_tls: tls_certificate and tls_key are not set"),
        ("tls_certificate = a, b\ntls_key = a", 1, "tls_certificate: tls_certificate has 2 files, and tls_key 1"),
        ("tls_key = a", 1, "tls_key: tls_certificate has 0 files, and tls_key 1"),
        ("tls_key = a,,b", 1, "tls_key: a comma without a path beside it"),
        (
            "tls_key = " + (0..<65).map { "f\($0)" }.joined(separator: ","), 1,
            "tls_key: more than 64 files"
        ),
        ("listen_upgrade = 0.0.0.0:80", 1, "listen_upgrade: there is no HTTPS to lead to"),
        (whole + "acme_directory = d", 4, "acme_directory: nobody can ask for what is there"),
        ("hsts = on", 1, "hsts: \"on\" is not a duration"), ("hsts = 1500ms", 1, "hsts: 1500ms has parts of a second"),
        ("hsts = 365d preload", 1, "hsts: \"preload\" is not what may stand behind the duration"),
        ("hsts = 364d includeSubDomains preload", 1, "hsts: 364d is too short to be preloaded"),
        ("hsts = 731d", 1, "hsts: 731d is out of range"), ("hsts = -1d", 1, "hsts: -1d is out of range"),
    ])
    func refused(text: String, line: Int, error: String) {
        do {
            _ = try load(text)
            Issue.record("\(text) was taken")
        } catch let errors {
            let found = errors.errors.map(\.description)
            #expect(found.count == 1 && found[0].hasPrefix("edge.conf:\(line): \(error)"), "\(found)")
        }
    }

    /// Certificates wait for the restart that opens or closes their port; what needs none does not.
    @Test func reload() throws {
        let (off, on) = (try load(""), try load(whole + "hsts = 1d"))
        let opened = ConfigurationReload(from: off, to: on)
        #expect(opened.applied.map(\.key) == ["hsts", "anonymous_create"])
        #expect(opened.waiting.map(\.key) == ["listen_tls", "tls_certificate", "tls_key"])
        let closed = ConfigurationReload(from: on, to: off)
        #expect(closed.configuration.tlsKeys == on.tlsKeys && closed.configuration.listenTLS == on.listenTLS)
        #expect(!closed.configuration.anonymousCreate)
        let renewed = ConfigurationReload(from: on, to: try load(whole.replacing("b.", with: "c.") + "hsts = 1d"))
        #expect(renewed.applied.map(\.key) == ["tls_certificate", "tls_key"] && renewed.waiting == [])
    }
}
