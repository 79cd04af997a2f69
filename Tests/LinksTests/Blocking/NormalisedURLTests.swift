import Primitives
import Testing

@testable import Links

/// One spelling for what a browser takes for the same.
@Suite struct NormalisedURLTests {
    static func normalised(_ text: String) throws -> String {
        var url = NormalisedURL()
        try url.read(try Destination(text, policy: .everywhere).bytes)
        return String(decoding: url.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        ("http://example.com", "example.com/"), ("HTTPS://EXAMPLE.com./", "example.com/"),
        ("https://example.com:443/a", "example.com/a"), ("http://example.com:80", "example.com/"),
        ("http://example.com:/", "example.com/"), ("http://example.com:08080/", "example.com:8080/"),
        ("https://bücher.example/ä", "xn--bcher-kva.example/%C3%A4"), ("http://e%78ample.com/", "example.com/"),
        ("http://0x7f.1/", "127.0.0.1/"), ("http://3232235777/", "192.168.1.1/"),
        ("http://[::ffff:1.2.3.4]/", "1.2.3.4/"),
        ("http://[2001:DB8:0::1]:81/x", "[20010DB8000000000000000000000001]:81/x"),
        ("http://a.b/%7euser/%41%2f%3f%c3%bc", "a.b/~user/A%2F%3F%C3%BC"), ("http://a.b/x#y/../z", "a.b/x"),
        ("http://a.b/./x/../y/.", "a.b/y/"), ("http://a.b/../../x", "a.b/x"), ("http://a.b/x/..", "a.b/"),
        ("http://a.b/x/%2e%2E/y", "a.b/y"), ("http://a.b/...", "a.b/..."), ("http://a.b//x//../", "a.b/x/"),
        ("http://a.b/x/..?q=/../", "a.b/?q=/../"), ("http://a.b?q", "a.b/?q"), ("http://a.b/x/.?q", "a.b/x/?q"),
        ("http://a.b/%21%24%26%27%28%29%2A%2B%2c%3B%3D%3A%40", "a.b/!$&'()*+,;=:@"),
        ("http://a.b/%2F%25%3F%23%2540%20%7C", "a.b/%2F%25%3F%23%2540%20%7C"), ("http://a.b/?q=%40%2F", "a.b/?q=@%2F"),
        ("http://a.b////x//y///?q=//z", "a.b/x/y/?q=//z"), ("http://a.b//", "a.b/"),
        ("http://a.b/x//..//../y", "a.b/x/y"),
        ("http://a.b/x//..//../../y", "a.b/y"), ("http://a.b//..", "a.b/"), ("http://a.b/x//.", "a.b/x/"),
        ("http://a.b\\x".replacing("\\", with: "/"), "a.b/x"),
    ])
    func spellings(text: String, expected: String) throws {
        #expect(try Self.normalised(text) == expected)
    }

    @Test func readsManyInTurn() throws {
        var url = NormalisedURL()
        for text in ["http://long.example.com/with/a/path", "http://a.b/", "http://1.2.3.4/x"] {
            try url.read(Array(text.utf8))
            #expect(String(decoding: url.bytes, as: UTF8.self) == String(text.dropFirst(7)))
        }
        #expect(!url.isName && url.hostEnd == 7)
        #expect(throws: DestinationError.notAbsolute) { try url.read(Array("a.b".utf8)) }
    }
}
