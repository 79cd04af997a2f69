import Testing

extension NodeTests {
    /// Bodies that are no JSON, or not the JSON that is wanted: all 400 `invalid-json`, and the node stays.
    @Suite struct Bodies {
        private static let malformed =
            [
                "", " ", "{", "}", "[", "]", "{]", "[}", "{}{}", "{},", "null", "true", "1", #""x""#, "[]", "nul",
                "truex",
                "{'long_url':'https://a.example/'}", #"{long_url:"https://a.example/"}"#, #"{"long_url"}"#,
                #"{"long_url":}"#, #"{"long_url":"https://a.example/",}"#, #"{,"long_url":"https://a.example/"}"#,
                #"{"long_url":"https://a.example/"} x"#, #"{"long_url":"https://a.example/"}{"#,
                #"{"long_url":"https://a.example/"} // x"#, #"/**/{"long_url":"https://a.example/"}"#,
                #"{"long_url":"https://a.example/" "title":"x"}"#, #"{"long_url":"https://a.example/","title":"x"#,
                #"[{"long_url":"https://a.example/"}]"#, "{\"long_url\":\"https://a.example/\n\"}",
                #"{"long_url":"https://a.example/\x"}"#, #"{"long_url":"https://a.example/\u12"}"#,
                #"{"long_url":"https://a.example/\ud800"}"#, #"{"long_url":"https://a.example/\udc00"}"#,
                #"{"long_url":"https://a.example/\ud800\u0041"}"#, #"{"long_url":"https://a.example/\uD800\uD800"}"#,
                "{\"long_url\":\"https://a.example/\"\u{A0}}", "{\"long_url\":\"https://a.example/\"}\u{0}",
                "\u{FEFF}{\"long_url\":\"https://a.example/\"}", "\u{C}{\"long_url\":\"https://a.example/\"}",
            ]
            + ["01", "+1", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "-", "--1", "1_000", "١"].map {
                #"{"long_url":"https://a.example/","expires_in":\#($0)}"#
            }

        /// JSON, but a member has another type, is missing, unknown, or stands there twice.
        private static let unwanted =
            [
                "{}", #"{"long_url":null}"#, #"{"long_url":1}"#, #"{"long_url":["https://a.example/"]}"#,
                #"{"long_url":{}}"#, #"{"Long_url":"https://a.example/"}"#, #"{"title":"x"}"#,
                #"{"long_url":"https://a.example/","long_url":"https://b.example/"}"#,
                #"{"long_url":"https://a.example/","long\u005furl":"https://a.example/"}"#,
                #"{"long_url":"https://a.example/","title":"a","title":null}"#,
            ]
            + [
                #""custom_alias":1"#, #""custom_alias":["abc"]"#, #""custom_alias":true"#, #""title":1"#,
                #""title":{}"#,
                #""tags":"a""#, #""tags":[1]"#, #""tags":[null]"#, #""tags":{"a":1}"#, #""tags":[["a"]]"#,
                #""expires_in":"60""#, #""expires_in":1.5"#, #""expires_in":10.01"#, #""expires_in":1.0e1"#,
                #""expires_in":1e3"#,
                #""expires_in":true"#, #""expires_in":[]"#, #""expires_in":99999999999999999999"#,
                #""expires_in":1e999999999"#, #""expires_in":-99999999999999999999"#,
                #""expires_in":\#(String(repeating: "9", count: 100_000))"#, #""expires_at":60"#, #""expires_at":{}"#,
                #""expiry":60"#, #""unknown":1"#, #""":1"#, #""is_active":false"#,
                #""forward_query":1"#, #""forward_query":"true""#, #""forward_query":[true]"#, #""a\u0000b":1"#,
                #""\#(String(repeating: "e\u{301}", count: 100_000))":1"#,
            ].map { #"{"long_url":"https://a.example/",\#($0)}"# }

        @Test func refused() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for body in Self.malformed + Self.unwanted {
                let answer = try client.post("/api/v1/urls", json: body)
                answer.expectProblem(400, "invalid-json", "\(body.prefix(200))")
                #expect(answer.body.count < 1000)
            }
            for members in [#""expires_in":60"#, #""title":"x""#, #""tags":[]"#, #""expiry":1.5"#, #""expiry":true"#] {
                try client.post("/shorten", json: #"{"long_url":"https://a.example/",\#(members)}"#)
                    .expectProblem(400, "invalid-json", "\(members)")
            }
            #expect(try Finished(["dump", "--data", node.data]).output.isEmpty)
        }

        /// Bytes that are no UTF-8, wherever they stand, and other encodings of Unicode.
        @Test func otherEncodings() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let text = #"{"long_url":"https://a.example/"}"#
            let bad: [[UInt8]] = [
                [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x80],
            ]
            for bytes in bad {
                for place in [0, 14, text.utf8.count - 1, text.utf8.count] {
                    var body = Array(text.utf8)
                    body.insert(contentsOf: bytes, at: place)
                    try client.post("/api/v1/urls", body).expectProblem(400, "invalid-json", "\(bytes) at \(place)")
                }
            }
            let wide = text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
            for body in [wide, [0xFF, 0xFE] + wide, text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }] {
                try client.post("/api/v1/urls", body).expectProblem(400, "invalid-json")
            }
        }

        @Test func bombs() throws {
            let node = try RunningNode()
            let client = try node.connect()
            let most = 4 << 20
            for (open, close) in [("[", "]"), (#"{"a":"#, "}"), ("[[],", "]")] {
                let count = (most - 64) / (open.utf8.count + close.utf8.count)
                let nested = String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
                for body in [
                    nested, #"{"long_url":"https://a.example/","tags":\#(nested)}"#, String(nested.prefix(most)),
                ] {
                    try client.post("/api/v1/urls", json: body).expectProblem(400, "invalid-json")
                }
            }
            let wide = "[" + String(repeating: "0,", count: most / 2 - 64) + "0]"
            try client.post("/api/v1/urls", json: #"{"long_url":"https://a.example/","tags":\#(wide)}"#)
                .expectProblem(400, "invalid-json")
            let names = (0..<200_000).map { "\"\($0)\":0" }.joined(separator: ",")
            try client.post("/api/v1/urls", json: "{\(names)}").expectProblem(400, "invalid-json")
            let digits = String(repeating: "1", count: most - 100)
            try client.post("/api/v1/urls", json: #"{"long_url":"https://a.example/","expires_in":\#(digits)}"#)
                .expectProblem(400, "invalid-json")
            #expect(try client.get("/health").status == 200)
        }

        /// What JSON allows and readers trip over.
        @Test func unusual() throws {
            let node = try RunningNode()
            let client = try node.connect()
            for (body, location) in [
                (" \t\r\n{ \"long_url\" : \"https://a.example/\" } \n", "https://a.example/"),
                (#"{"long\u005Furl":"https:\/\/a.example\/\u0041\u00e9"}"#, "https://a.example/A%C3%A9"),
                (#"{"long_url":"https://a.example/\uD83E\uDD8A"}"#, "https://a.example/%F0%9F%A6%8A"),
                (#"{"expires_in":60,"long_url":"https://a.example/🦊"}"#, "https://a.example/%F0%9F%A6%8A"),
                (#"{"expires_in":60.00,"long_url":"https://a.example/"}"#, "https://a.example/"),
            ] {
                let answer = try client.post("/api/v1/urls", json: body)
                #expect(answer.status == 201, "\(answer.text)")
                #expect(try answer.string("long_url") == location)
                #expect(try client.get("/\(try answer.string("short_code"))")["location"] == location)
            }
        }

        @Test func size() throws {
            let node = try RunningNode()
            let most = 4 << 20
            let text = #"{"long_url":"https://a.example/"}"#
            let largest = text + String(repeating: " ", count: most - text.utf8.count)
            #expect(try node.connect().post("/api/v1/urls", json: largest).status == 201)
            // Refused from the head alone, and while the client still sends.
            for request in [
                Client.request("POST", "/shorten", "Content-Type: application/json\r\nContent-Length: \(most + 1)\r\n"),
                Client.request("POST", "/shorten", "Content-Length: 99999999999999999999999\r\n"),
            ] {
                let client = try node.connect()
                try client.send(request)
                let answers = try client.readToEnd()
                try #require(answers.count == 1)
                #expect([400, 413].contains(answers[0].status))
                if answers[0].status == 413 { answers[0].expectProblem(413, "payload-too-large") }
                #expect(answers[0]["connection"] == "close")
            }
            let client = try node.connect()
            let head = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            let chunk = "100000\r\n" + largest.prefix(1 << 20) + "\r\n"
            try client.send(Client.request("POST", "/shorten", head) + String(repeating: chunk, count: 4) + "1\r\nx")
            try client.read().expectProblem(413, "payload-too-large")
        }
    }
}
