import Testing

@testable import Links

/// The examples of "URLs and Hashing" of Safe Browsing v4. Expressions have no scheme and no port.
@Suite struct LookupExpressionTests {
    @Test(arguments: [
        ("http://host/%25%32%35", "host/%25"), ("http://host/%25%32%35%25%32%35", "host/%25%25"),
        ("http://host/%2525252525252525", "host/%25"), ("http://host/asdf%25%32%35asd", "host/asdf%25asd"),
        ("http://host/%%%25%32%35asd%%", "host/%25%25%25asd%25%25"), ("http://www.google.com/", "www.google.com/"),
        (
            "http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63%75%72%65/%77%77%77%2E%65%62%61%79%2E%63%6F%6D/",
            "168.188.99.26/.secure/www.ebay.com/"
        ),
        (
            "http://195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/",
            "195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/"
        ),
        (
            "http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
            "host%23.com/~a!b@c%23d$e%25f^00&11*22(33)44_55+"
        ),
        ("http://3279880203/blah", "195.127.0.11/blah"), ("http://www.google.com/blah/..", "www.google.com/"),
        ("www.google.com/", "www.google.com/"), ("www.google.com", "www.google.com/"),
        ("http://www.evil.com/blah#frag", "www.evil.com/blah"), ("http://www.GOOgle.com/", "www.google.com/"),
        ("http://www.google.com.../", "www.google.com/"),
        ("http://www.google.com/foo\tbar\rbaz\n2", "www.google.com/foobarbaz2"),
        ("http://www.google.com/q?", "www.google.com/q?"), ("http://www.google.com/q?r?", "www.google.com/q?r?"),
        ("http://www.google.com/q?r?s", "www.google.com/q?r?s"), ("http://evil.com/foo#bar#baz", "evil.com/foo"),
        ("http://evil.com/foo;", "evil.com/foo;"), ("http://evil.com/foo?bar;", "evil.com/foo?bar;"),
        ("http://notrailingslash.com", "notrailingslash.com/"),
        ("http://www.gotaport.com:1234/", "www.gotaport.com/"), ("  http://www.google.com/  ", "www.google.com/"),
        ("http:// leadingspace.com/", "%20leadingspace.com/"), ("http://%20leadingspace.com/", "%20leadingspace.com/"),
        ("%20leadingspace.com/", "%20leadingspace.com/"), ("https://www.securesite.com/", "www.securesite.com/"),
        ("http://host.com/ab%23cd", "host.com/ab%23cd"),
        ("http://host.com//twoslashes?more//slashes", "host.com/twoslashes?more//slashes"),
        ("http://user:password@google.com/", "google.com/"), ("http://a.com/../b/./c/", "a.com/b/c/"),
    ])
    func canonical(text: String, expected: String) {
        #expect(String(decoding: LookupExpressions(Array(text.utf8)).url, as: UTF8.self) == expected)
    }

    @Test func bytesThatAreNoText() {
        let url = LookupExpressions(Array("http://".utf8) + [0x01, 0x80] + Array(".com/".utf8)).url
        #expect(String(decoding: url, as: UTF8.self) == "%01%80.com/")
    }

    @Test(arguments: [
        (
            "http://a.b.c/1/2.html?param=1",
            [
                "a.b.c/1/2.html?param=1", "a.b.c/1/2.html", "a.b.c/", "a.b.c/1/", "b.c/1/2.html?param=1",
                "b.c/1/2.html", "b.c/", "b.c/1/",
            ]
        ),
        (
            "http://a.b.c.d.e.f.g/1.html",
            [
                "a.b.c.d.e.f.g/1.html", "a.b.c.d.e.f.g/", "c.d.e.f.g/1.html", "c.d.e.f.g/", "d.e.f.g/1.html",
                "d.e.f.g/", "e.f.g/1.html", "e.f.g/", "f.g/1.html", "f.g/",
            ]
        ),
        ("http://1.2.3.4/1/", ["1.2.3.4/1/", "1.2.3.4/"]), ("http://b.c/", ["b.c/"]),
        ("http://[2001:db8::1]/1", ["[2001:db8::1]/1", "[2001:db8::1]/"]),
    ])
    func expressions(text: String, expected: [String]) {
        let expressions = LookupExpressions(Array(text.utf8)).expressions.map { String(decoding: $0, as: UTF8.self) }
        #expect(expressions.sorted() == expected.sorted())
    }

    @Test func atMostThirty() {
        let expressions = LookupExpressions(Array("http://a.b.c.d.e.f.g.h/1/2/3/4/5/6?q".utf8)).expressions
        #expect(expressions.count == 30 && Set(expressions).count == 30)
    }
}
