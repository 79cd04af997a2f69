/// What is sent.
extension Attack {
    private static let start = "POST /api/v1/urls HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

    /// Framings that are invalid, or that two servers could read differently.
    static let framing: [(String, [Int])] =
        [
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            "Content-Length: 0\r\nContent-Length: 44\r\n\r\n", "Content-Length: 0, 0\r\n\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "Content-Length: +0\r\n\r\n",
            "Content-Length: -1\r\n\r\n",
            "Content-Length: 0x0\r\n\r\n", "Content-Length: 1e1\r\n\r\n", "Content-Length: \r\n\r\n",
            "Content-Length: 0 0\r\n\r\n", "Content-Length: 18446744073709551616\r\n\r\n",
            "Content-Length : 0\r\n\r\n", "Content-Length: 0\n\r\n", "Content-Length\u{0b}: 0\r\n\r\n",
            " Content-Length: 0\r\n\r\n", "X: a\r\n Content-Length: 4\r\n\r\n",
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "Transfer-Encoding:\u{0b}chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: \u{0}chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            "Transfer\u{0}-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\n\n",
            "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0;a=\u{1}\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\r\naX0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\r\naa\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
            "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
        ].map { (start + $0, [400, 413, 501]) } + [
            ("POST /shorten HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400, 501])
        ]

    /// Requests against the grammar, each at one place.
    static let malformed: [(String, [Int])] =
        [
            "GET /attacked\r\n", "GET /attacked HTTP/1.1\r\n\r\n", "GET  /attacked HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /attacked  HTTP/1.1\r\nHost: a\r\n\r\n", "GET\t/attacked HTTP/1.1\r\nHost: a\r\n\r\n",
            " GET /attacked HTTP/1.1\r\nHost: a\r\n\r\n", "GET /attacked HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /attacked http/1.1\r\nHost: a\r\n\r\n", "GET /attacked HTTP/1.10\r\nHost: a\r\n\r\n",
            "GET /attacked HTTP/11\r\nHost: a\r\n\r\n", "GET attacked HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /att acked HTTP/1.1\r\nHost: a\r\n\r\n", "GET /att\u{0}acked HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /é HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n",
            "G(T /attacked HTTP/1.1\r\nHost: a\r\n\r\n", "GET /attacked HTTP/1.1\nHost: a\n\n",
            "GET /attacked HTTP/1.1\rHost: a\r\r", "GET /attacked HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a, b\r\n\r\n", "GET /attacked HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a@b\r\n\r\n", "GET /attacked HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a:x\r\n\r\n", "GET /attacked HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", "GET /attacked HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nA: \u{1}\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
            "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a@b/attacked HTTP/1.1\r\nHost: b\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /attacked HTTP/0.9\r\n\r\n",
            "GET /attacked HTTP/2\r\nHost: a\r\n\r\n",
            "CONNECT a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /attacked HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n",
        ].map { ($0, [400, 417, 501, 505]) }

    /// Loopback, private, special and metadata addresses and names, in the spellings that browsers and C libraries take.
    static let insideURLs = [
        "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/",
        "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f.1/", "http://017700000001/", "http://127.0.0.1./",
        "http://１２７.0.0.1/", "http://127。0。0。1/", "http://127．0．0．1/", "http://①②⑦.0.0.1/",
        "http://%31%32%37.0.0.1/", "http://0/", "http://0.0.0.0/", "http://10.0.0.1/", "http://10.1/",
        "http://172.16.0.1/",
        "http://172.31.255.255/", "http://192.168.0.1/", "http://192.168.257/", "http://100.64.0.1/",
        "http://169.254.169.254/",
        "http://2852039166/", "http://0xa9fea9fe/", "http://0xa9.0xfe.0xa9.0xfe/", "http://0251.0376.0251.0376/",
        "http://100.100.100.200/", "http://192.0.0.192/", "http://168.63.129.16/", "http://192.0.2.1/",
        "http://198.18.0.1/",
        "http://198.51.100.1/", "http://203.0.113.1/", "http://224.0.0.1/", "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/", "http://[::ffff:0:127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::a00:1]/",
        "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
        "http://[fec0::1]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[ff02::1]/",
        "http://[2001:db8::1]/",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://localhost.localdomain/",
        "http://intranet/",
        "http://printer.local/", "http://db.internal./", "http://router.home.arpa/", "http://ｌｏｃａｌｈｏｓｔ/",
        "http://loc%61lhost/", "http://metadata.google.internal/", "http://user@example.com/",
        "http://user:pw@example.com/",
        "http://example.com@127.0.0.1/", "http://127.0.0.1\\@example.com/", "http://example.com:65536/",
        "http://256.256.256.256/", "http://1.2.3.4.5/", "http://example.0x7f/", "javascript:alert(1)",
        "data:text/html,a",
        "file:///etc/passwd", "ftp://example.com/", "//example.com/", "http:example.com", "http:///example.com", "",
        "http://exa\u{200b}mple.com/", "http://exa\u{202e}mple.com/", "http://аpple.com/", "http://раураl.com/",
    ]

    /// Beside them, or looking like them: these are served.
    static let outsideURLs = [
        "http://126.255.255.255/", "http://128.0.0.1/", "http://9.255.255.255/", "http://11.0.0.1/",
        "http://172.15.0.1/",
        "http://172.32.0.1/", "http://192.167.0.1/", "http://192.169.0.1/", "http://100.63.0.1/", "http://100.128.0.1/",
        "http://169.253.0.1/", "http://[2606:4700::1111]/", "http://example.com:65535/", "https://bücher.example/",
        "https://xn--bcher-kva.example/", "https://example.com/?next=http://127.0.0.1/", "https://example.com/%0d%0a",
        "https://localhost.example.com/", "https://127.0.0.1.example.com/", "https://10.0.0.1.nip.example/",
        "https://example.com/@127.0.0.1/", "https://example.com/#http://10.0.0.1", "https://internal.example.com/",
    ]
}
