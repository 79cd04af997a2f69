import HTTP
import Testing

@Suite struct FieldValueTests {
    @Test(arguments: [
        ("application/json", true), ("Application/JSON", true), ("application/json; charset=utf-8", true),
        ("application/json;charset=\"utf-8\"", true), ("application/json ;; a=b ;", true), ("application/jsonx", false),
        ("application/json;", true), ("application/json; charset", false), ("application/json; =x", false),
        ("application/json; a = b", false), ("application/json, text/html", false), ("application", false), ("", false),
        ("application/", false), ("text/json", false), ("application/json x", false), ("*/*", false),
    ])
    func contentType(_ value: String, _ matches: Bool) {
        #expect(MediaType.matches(Array(value.utf8).span.bytes, "application/json") == matches, "\(value)")
    }

    @Test(arguments: [
        ("*/*", 1000, 1000), ("", 0, 0), ("text/html", 1000, 0), ("text/html, application/json;q=0.5", 1000, 500),
        ("application/json;q=0.9, text/*;q=0.1", 100, 900), ("text/*, text/html;q=0", 0, 0),
        ("*/*;q=0.1, text/html", 1000, 100),
        ("text/html;q=0.5, */*;q=0.9", 500, 900), ("TEXT/HTML;Q=0.123", 123, 0), ("text/html;level=1", 0, 0),
        ("text/html;level=1, text/html;q=0.7", 700, 0), ("text/html;q=1.001", 0, 0), ("text/html;q=2", 0, 0),
        ("text/html;q=0.1234", 0, 0), ("text/html;q=", 0, 0), ("text/html;q=1.000", 1000, 0),
        ("text/html;q=1.", 1000, 0),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1000, 800), (" , ,text/html", 1000, 0),
        ("text/x;a=\"b,text/html\"", 0, 0), ("text;q=1, */*;q=0.3", 300, 300), ("*/html", 0, 0), ("t/*", 0, 0),
    ])
    func accept(_ value: String, _ html: Int, _ json: Int) {
        let bytes = Array(value.utf8)
        #expect(MediaType.quality(of: "text/html", accept: bytes.span.bytes) == html, "\(value)")
        #expect(MediaType.quality(of: "application/json", accept: bytes.span.bytes) == json, "\(value)")
        #expect(MediaType.prefers("text/html", over: "application/json", accept: bytes.span.bytes) == (html > json))
    }

    @Test(arguments: [
        ("token=cookie", true), ("consistency=strict, token=cookie", true), ("Token=Cookie;x=y", true),
        (" ,token=cookie", true),
        ("token=cookies", false), ("xtoken=cookie", false), ("\"a,token=cookie\"", false), ("", false),
        ("a;token=cookie", false), ("a \"\\\",token=cookie", false),
    ])
    func lists(_ value: String, _ contains: Bool) {
        #expect(FieldList.contains(Array(value.utf8).span.bytes, "token=cookie") == contains, "\(value)")
    }

    @Test func elements() {
        let bytes = Array("1.2.3.4 ,,\t[::1]:80, \"a,b\" ,".utf8)
        let elements = FieldList.elements(of: bytes.span.bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        #expect(elements == ["1.2.3.4", "[::1]:80", "\"a,b\""])
        #expect(FieldList.last(of: bytes.span.bytes) == FieldList.elements(of: bytes.span.bytes).last)
        #expect(FieldList.last(of: [UInt8]().span.bytes) == nil)
    }

    @Test(arguments: [
        ("*", "\"a\"", true, true), ("\"a\"", "\"a\"", true, true), ("\"b\", \"a\"", "\"a\"", true, true),
        ("W/\"a\"", "\"a\"", false, true), ("\"a\"", "W/\"a\"", false, true), ("W/\"a\"", "W/\"a\"", false, true),
        ("\"b\"", "\"a\"", false, false), ("a", "\"a\"", false, false), ("", "\"a\"", false, false),
        ("\"a", "\"a\"", false, false), ("\"x,y\",\"a\"", "\"a\"", true, true), ("\"x,\"a\"", "\"a\"", false, false),
        ("\"\\\", \"a\"", "\"a\"", true, true), ("w/\"a\"", "\"a\"", false, false), ("**", "\"a\"", false, false),
    ])
    func entityTags(_ value: String, _ tag: String, _ strongly: Bool, _ weakly: Bool) {
        let (value, tag) = (Array(value.utf8), Array(tag.utf8))
        #expect(EntityTags.match(value.span.bytes, tag: tag.span.bytes, strongly: true) == strongly)
        #expect(EntityTags.match(value.span.bytes, tag: tag.span.bytes, strongly: false) == weakly)
    }

    @Test(
        arguments: [
            ("edge=x", "x"), ("a=b; edge=x; c=d", "x"), ("edge=\"x\"", "x"), ("edge=", ""), ("Edge=x", nil),
            ("xedge=x", nil),
            ("a=edge=x", nil), ("edge", nil), ("edge=1; edge=2", "1"), ("a;edge=x=y ;", "x=y"), ("", nil),
            ("edge=\"", "\""),
        ] as [(String, String?)])
    func cookies(_ value: String, _ expected: String?) {
        let bytes = Array(value.utf8)
        let found = Cookies.value(of: "edge", in: bytes.span.bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        #expect(found == expected)
    }
}
