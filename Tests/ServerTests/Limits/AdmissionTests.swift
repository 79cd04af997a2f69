import Server
import Testing

@Suite struct AdmissionTests {
    private func configuration(_ flags: KeyValuePairs<String, String>) throws -> Configuration {
        try Configuration.load(file: nil, flags: flags.map { ($0.key, $0.value) }, cores: 1)
    }

    @Test func defaults() throws {
        let admission = Admission(try configuration([:]))
        #expect(admission.create?.limit == RateLimit(10, per: .second, burst: 50))
        #expect(admission.read?.limit == RateLimit(100, per: .second, burst: 200))
        #expect(admission.redirect == nil)
        #expect(admission.miss?.limit == RateLimit(50, per: .second, burst: 200))
        #expect(admission.authFailure?.limit == RateLimit(1, per: .second, burst: 10))
        #expect(admission.report?.limit == RateLimit(1, per: .second, burst: 5))
        #expect(admission.proxies.prefixes.isEmpty)
        #expect(admission.limiters.map(\.name) == [.create, .read, .miss, .authFailure, .report])
    }

    /// A network is known as one, and no principal is a network.
    @Test func subjects() throws {
        let admission = Admission(try configuration([:]))
        func subject(_ text: String) throws -> LimitSubject {
            admission.subject(network: try #require(IPAddress(text.utf8)))
        }
        #expect(try subject("192.0.2.1") == subject("::ffff:192.0.2.1"))
        #expect(try subject("192.0.2.1") != subject("192.0.2.2"))
        #expect(try subject("2001:db8:0:1::1") == subject("2001:db8:0:1:ffff::2"))
        #expect(try subject("2001:db8:0:1::1") != subject("2001:db8:0:2::1"))
        #expect(admission.subject(principal: "a") == admission.subject(principal: "a"))
        #expect(admission.subject(principal: "a") != admission.subject(principal: "b"))
        #expect(try admission.subject(principal: "192.0.2.1") != subject("192.0.2.1"))
        // Another process has other buckets: nobody can look for two clients of one.
        #expect(Admission(try configuration([:])).subject(principal: "a") != admission.subject(principal: "a"))
    }

    /// Wrong keys use a network up before any further key is looked at, and no other network, nor who has a right one.
    @Test func authFailures() throws {
        let admission = Admission(try configuration(["rate_limit_auth_failure": "1/h burst 2"]))
        let limiter = try #require(admission.authFailure)
        let guessing = admission.subject(network: IPAddress(ipv4: 1))
        for _ in 0..<2 {
            #expect(limiter.look(guessing, at: 1).isAllowed)
            #expect(limiter.take(guessing, at: 1).isAllowed)
        }
        let refused = limiter.look(guessing, at: 1)
        #expect(!refused.isAllowed && refused.retryAfterSeconds == 3600)
        #expect(refused.fields[0].value == #""auth_failure";q=2;w=7200"#)
        #expect(limiter.look(admission.subject(network: IPAddress(ipv4: 2)), at: 1).isAllowed)
        #expect(limiter.look(admission.subject(principal: "key"), at: 1).isAllowed)
        #expect(admission.refusalCount(.authFailure) == 1)
    }

    /// A limit that stays as it was goes on where it stood; one that changes begins anew; refusals are counted on.
    @Test func replacing() throws {
        let current = CurrentAdmission(Admission(try configuration(["rate_limit_create": "1/h burst 1"])))
        let someone = LimitSubject(hash: 42)
        let create = try #require(current.admission.create)
        #expect(create.take(someone, at: 1).isAllowed && !create.take(someone, at: 1).isAllowed)
        current.replace(with: try configuration(["rate_limit_create": "1/h burst 1", "rate_limit_read": "off"]))
        #expect(current.admission.read == nil)
        #expect(current.admission.create?.take(someone, at: 1).isAllowed == false)
        current.replace(with: try configuration(["rate_limit_create": "2/h burst 1"]))
        #expect(current.admission.create?.take(someone, at: 1).isAllowed == true)
        #expect(current.admission.refusalCount(.create) == 2 && current.admission.refusalCount(.read) == 0)
        current.replace(with: try configuration(["rate_limit_create": "off", "trusted_proxies": "10.0.0.0/8"]))
        #expect(current.admission.create == nil && current.admission.proxies.prefixes.count == 1)
    }

    @Test(
        arguments: [
            ("rate_limit_create", "off", "off"), ("rate_limit_create", "10/s burst 50", "10/s burst 50"),
            ("rate_limit_read", "1/m  burst   1", "1/m burst 1"), ("rate_limit_miss", "1000000/h burst 1000000", nil),
            ("trusted_proxies", "none", "none"),
            ("trusted_proxies", "10.0.0.0/8,::1 , 2001:DB8::/32", "10.0.0.0/8, ::1, 2001:db8::/32"),
            (
                "trusted_proxies", "192.0.2.1/32, ::ffff:192.0.2.2, ::/0, 0.0.0.0/0",
                "192.0.2.1, 192.0.2.2, ::/0, 0.0.0.0/0"
            ),
        ] as [(String, String, String?)])
    func syntax(key: String, value: String, printed: String?) throws {
        let text = try Configuration.load(file: nil, flags: [(key, value)], cores: 1).text
        #expect(text.contains("\n\(key) = \(printed ?? value)\n"), "\(text)")
    }

    @Test(arguments: [
        ("rate_limit_create", "10/s", "\"10/s\" is not a rate with its burst"),
        ("rate_limit_create", "10 burst 5", "\"10\" is not a rate"),
        ("rate_limit_create", "10/d burst 5", "\"10/d\" is not a rate"),
        ("rate_limit_create", "10/s burst", "\"10/s burst\" is not a rate with its burst"),
        ("rate_limit_create", "0/s burst 5", "\"0\" is not a number from 1 to 1000000"),
        ("rate_limit_create", "10/s burst 0", "\"0\" is not a number from 1 to 1000000"),
        ("rate_limit_create", "1000001/s burst 1", "\"1000001\" is not a number from 1 to 1000000"),
        ("rate_limit_create", "1.5/s burst 1", "\"1.5\" is not a number from 1 to 1000000"),
        ("rate_limit_create", "on", "\"on\" is not a rate with its burst"),
        ("trusted_proxies", "proxy.example", "\"proxy.example\" is not an IP address"),
        ("trusted_proxies", "10.0.0.0/8,", "\"\" is not an IP address"),
        (
            "trusted_proxies", "10.0.0.0/33",
            "\"33\" is not how many bits of 10.0.0.0 count; write a number from 0 to 32"
        ),
        ("trusted_proxies", "::/129", "\"129\" is not how many bits of :: count; write a number from 0 to 128"),
        ("trusted_proxies", "10.0.0.1/8", "10.0.0.1/8 has bits behind its prefix; write 10.0.0.0/8, or 10.0.0.1"),
        ("trusted_proxies", "2001:db8::1/64", "2001:db8::1/64 has bits behind its prefix; write 2001:db8::/64"),
        ("trusted_proxies", "::1, ::1/128", "::1 stands there twice"),
        ("trusted_proxies", (0..<65).map { "10.0.0.\($0)" }.joined(separator: ","), "more than 64 addresses"),
    ])
    func badSyntax(key: String, value: String, message: String) {
        #expect {
            try configuration([key: value])
        } throws: { error in
            "\(error)".hasPrefix("--\(key): \(message)") && "\(error)".split(separator: "\n").count == 1
        }
    }
}
