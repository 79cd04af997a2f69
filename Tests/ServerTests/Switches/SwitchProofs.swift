import Foundation
import Glibc
import Replication
import Testing

/// How an operator turns a switch.
enum Turning: CaseIterable { case reload, adminPort, command }

/// A node of a file, whose switches are turned, and what is seen of that.
struct SwitchedNode {
    static let base = "rate_limit_create = off\nrate_limit_read = off\n"

    let directory: TemporaryDirectory
    let node: RunningNode

    init(_ text: String = "") throws {
        directory = TemporaryDirectory()
        let file = directory.write(Self.base + text, to: "edge.conf")
        node = try RunningNode(["--config", file] + RunningNode.withAdmin, in: directory)
    }

    /// One that runs already, by the file `edge.conf` in the directory.
    init(_ node: RunningNode, in directory: TemporaryDirectory) { (self.node, self.directory) = (node, directory) }

    func turn(_ name: String, _ isOn: Bool, by way: Turning) throws {
        switch way {
        case .reload: _ = try reload("\(name) = \(isOn ? "on" : "off")\n")
        case .adminPort: #expect(try ask("PUT", "/switches/\(name)", #"{"on":\#(isOn)}"#).status == 200)
        case .command:
            let turned = try Finished(["switch", name, isOn ? "on" : "off", "--server", node.adminURL])
            #expect(turned.ending == .exited(0), "\(turned.error)")
            #expect(turned.output.contains("\n\(name) ") || turned.output.hasPrefix("\(name) "))
        }
        // As the metrics, the status and the log have it.
        #expect(try node.sample("edge_switch_on{name=\"\(name)\"}") == (isOn ? 1 : 0))
        let table = try Finished(["status", "--server", node.adminURL]).output
        #expect(
            table.contains("\(name) \(isOn ? "on" : "off")\(way == .reload ? "" : ", by the admin port")"), "\(table)")
        let state = try #require(try states()[name])
        #expect(state["on"] as? Bool == isOn && state["overridden"] as? Bool == (way != .reload))
        node.log.gather()
        let event = way == .reload ? "event=key-changed key=\(name) old=" : "event=switch-turned switch=\(name) to="
        #expect(node.log.seen.last { $0.contains(event) }?.hasSuffix(isOn ? "on" : "off") == true)
    }

    func reload(_ text: String) throws -> [String] {
        _ = directory.write(Self.base + text, to: "edge.conf")
        let before = node.log.seen.count
        node.child.signal(SIGHUP)
        _ = try node.log.next("event=reload ")
        return node.log.told(since: before)
    }

    /// The admin port, as a command asks it.
    func ask(_ method: String, _ target: String, _ json: String? = nil, host: String = "localhost") throws -> Answer {
        let client = try node.connectToAdmin()
        let type = json.map { "Content-Type: application/json\r\nContent-Length: \($0.utf8.count)\r\n" } ?? ""
        try client.send("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\(type)\r\n\(json ?? "")")
        return try client.read(isHead: method == "HEAD")
    }

    /// The switches by their names.
    func states() throws -> [String: [String: Any]] {
        let list = try #require(try ask("GET", "/switches").object["switches"] as? [[String: Any]])
        return Dictionary(uniqueKeysWithValues: try list.map { (try #require($0["name"] as? String), $0) })
    }
}

/// That a switch does what it says, however it is turned.
enum SwitchProofs {
    /// For a reload; `NodeTests.Switches` has the other ways.
    static let reloads: [String: @Sendable () throws -> Void] = [
        "create": { try create(.reload) }, "count_clicks": { try countClicks(.reload) },
        "ask_regions": { try askRegions(.reload) },
        "cors_origins": {
            let subject = try SwitchedNode()
            let client = try subject.node.connect()
            func shared() throws -> String? {
                try client.send(Client.request("GET", "/api/v1/openapi.json", "Origin: https://app.example\r\n"))
                return try client.read()["access-control-allow-origin"]
            }
            #expect(try shared() == nil)
            _ = try subject.reload("cors_origins = https://app.example\n")
            #expect(try shared() == "https://app.example")
            _ = try subject.reload("")
            #expect(try shared() == nil)
        },
    ]

    private static let link = #"{"long_url":"https://example.com/"}"#

    /// Off: nothing makes links, whoever asks; those that there are lead on, and are changed and deleted.
    static func create(_ way: Turning) throws {
        let subject = try SwitchedNode()
        let (key, admin) = (try subject.node.makeKey(), try subject.node.makeKey("--scopes", "admin", name: "admin"))
        let client = try subject.node.connect()
        let (code, other) = (
            try client.create("https://example.com/", key: key), try client.create("https://example.com/", key: key)
        )
        try subject.turn("create", false, by: way)
        let claim = String(repeating: "0f", count: 16)
        for (target, body) in [
            ("/api/v1/urls", link), ("/shorten", link), ("/api/v1/urls/bulk", "[\(link)]"),
            ("/api/v1/urls/import", link + "\n"),
            ("/api/v1/urls", #"{"long_url":"https://example.com/","custom_alias":"mine"}"#),
            ("/api/v1/urls", #"{"long_url":"https://example.com/","custom_alias":"mine","claim_id":"\#(claim)"}"#),
        ] {
            for shown in [nil, key, admin] {
                let type = target.hasSuffix("import") ? "application/x-ndjson" : "application/json"
                let fields = shown.map { "Authorization: Bearer \($0)\r\n" } ?? ""
                let asking = try subject.node.connect()
                try asking.send(
                    Client.request(
                        "POST", target, fields + "Content-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n")
                        + body)
                let answer = try asking.read(to: "POST", target)
                answer.expectProblem(503, "creation-off", "\(target)")
                #expect(answer["retry-after"] == "60")
            }
        }
        #expect(try client.get("/\(code)").status == 302 && client.get("/mine").status == 404)
        #expect(try client.change(code, #"{"title":"T"}"#, key: key).status == 200)
        #expect(try client.change(other, nil, key: key).status == 204)
        try subject.turn("create", true, by: way)
        for target in ["/api/v1/urls", "/shorten"] { #expect(try client.post(target, json: link).status == 201) }
    }

    static func anonymousCreate(_ way: Turning) throws {
        let subject = try SwitchedNode()
        let key = try subject.node.makeKey()
        let client = try subject.node.connect()
        /// In how many ways the description lets links be made.
        func ways() throws -> Int? {
            let described = Described(try client.get("/api/v1/openapi.json").body)
            return described.operation("POST", "/shorten")?["security"]?.elements?.count
        }
        try subject.turn("anonymous_create", false, by: way)
        // Nobody has asked for it before, so it is made now.
        #expect(try ways() == 2)
        // The API has been at it for longer than others may wait behind it, where the machine is slow.
        try client.patiently { try client.post("/shorten", json: link) }.expectProblem(401, "unauthorized")
        #expect(try client.create(key: key).status == 201)
        try subject.turn("anonymous_create", true, by: way)
        #expect(try client.post("/shorten", json: link).status == 201 && ways() == 3)
    }

    /// Off: no click is recorded, and each is counted as not recorded.
    static func countClicks(_ way: Turning) throws {
        let subject = try SwitchedNode()
        let client = try subject.node.connect()
        let code = try client.create("https://example.com/")
        #expect(try client.get("/\(code)").status == 302)
        try subject.turn("count_clicks", false, by: way)
        for method in ["GET", "HEAD", "GET"] { #expect(try client.get("/\(code)", method: method).status == 302) }
        try subject.node.expect("edge_clicks_uncounted_total", 3)
        try subject.turn("count_clicks", true, by: way)
        #expect(try client.get("/\(code)").status == 302)
        // What is counted now stands behind whatever was recorded before.
        try subject.node.expectClicks(code, Clicked(people: 2))
        try subject.node.expect("edge_clicks_uncounted_total", 3)
        try subject.node.expect("edge_clicks_dropped_total", 0)
    }

    /// Off: what is not here is as if the others could not be reached; what is here, or kept, leads on.
    static func askRegions(_ way: Turning) throws {
        typealias Subject = NodeTests.Regions.Asking.Subject
        let directory = TemporaryDirectory()
        let file = directory.write(SwitchedNode.base, to: "edge.conf")
        let subject = try Subject(["--config", file])
        let switched = SwitchedNode(subject.node, in: directory)
        #expect(try subject.get(5, .init(.here, record: subject.record(5))).status == 302)
        try switched.turn("ask_regions", false, by: way)
        let (asked, unreachable) = (try subject.asked(), try subject.unreachable())
        let client = try subject.node.connect()
        let targets = ["/", "/api/v1/urls/"].flatMap { [$0 + subject.code(6), $0 + "a-name"] }
        for target in targets { try client.get(target).expectProblem(404, "not-found") }
        #expect(try client.get("/\(subject.code(5))").status == 302)
        #expect(try subject.asked() == asked && subject.unreachable() == unreachable + Double(targets.count))
        try switched.turn("ask_regions", true, by: way)
        #expect(try subject.get(6, .init(.here, record: subject.record(6))).status == 302)
    }
}
