import CLinux
import Glibc

/// Many at once. What counts is who else is served.
extension Attack {
    /// Heads and bodies that do not come to their end, and answers that nobody reads.
    static func beSlow(_ target: AttackTarget, _ report: inout AttackReport) {
        var slow: [AttackClient] = []
        let halves = [
            "GET /\(target.code) HTTP/1.1\r\nHost: a\r\nX: ",
            "POST /api/v1/urls HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{",
        ]
        let unread = [UInt8](String(repeating: Request.get("/\(target.code)"), count: 20_000).utf8)
        for index in 0..<600 {
            guard let client = try? target.connect() else { return report.note("no connection") }
            if index % 30 == 0 {
                client.sendUnread(unread)
            } else {
                client.send(halves[index % 2])
            }
            slow.append(client)
        }
        for round in 0..<20 {
            for client in slow where !client.isClosed { client.sendUnread([UInt8(ascii: "a")]) }
            guard let client = try? target.connect() else { return report.note("nobody is let in") }
            client.send(String(repeating: Request.get("/\(target.code)"), count: 20))
            let statuses = client.answers(upTo: 20).map(\.status)
            for status in statuses { report.add(status, status == 302, "an ordinary request in round \(round)") }
            if statuses.count < 20 { report.note("an ordinary client was not served in round \(round)") }
        }
    }

    static func floodConnections(_ target: AttackTarget, _ report: inout AttackReport) {
        for _ in 0..<20 {
            var clients: [AttackClient] = []
            for _ in 0..<250 {
                guard let client = try? target.connect() else { break }
                clients.append(client)
            }
            clients.removeAll()
            guard let client = try? target.connect() else { return report.note("nobody is let in") }
            client.send(Request.get("/\(target.code)"))
            let status = client.answers(upTo: 1).first?.status
            report.add(status, status == 302, "an ordinary request")
        }
    }

    /// Codes that cannot be, and names that nobody took; 429 is right as soon as there are too many.
    static func floodUnknownCodes(_ target: AttackTarget, _ report: inout AttackReport) {
        for _ in 0..<20 {
            guard let client = try? target.connect() else { return report.note("nobody is let in") }
            let names = (0..<1000).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }
            client.send(names.map { Request.get("/\($0)") }.joined())
            let statuses = client.answers(upTo: names.count).map(\.status)
            for status in statuses { report.add(status, [404, 429].contains(status), "an unknown code") }
            if statuses.count < names.count {
                report.note("\(names.count - statuses.count) requests were not answered")
            }
        }
    }

    /// More links than anybody may make, or the disk can take: made, or refused with a time to come again.
    static func floodCreates(_ target: AttackTarget, _ report: inout AttackReport) {
        let clients = (0..<64).compactMap { _ in try? target.connect() }
        let requests = (0..<100).flatMap { Request.create("https://a.example/\($0)") }
        for client in clients { client.sendUnread(requests) }
        for client in clients {
            let answers = client.answers(upTo: 100)
            for answer in answers {
                let mustSayWhen = [429, 503].contains(answer.status)
                let isRight = answer.status == 201 || mustSayWhen && answer.head.contains("\r\nRetry-After: ")
                report.add(answer.status, isRight, "a create")
            }
            if answers.count < 100 { report.note("\(100 - answers.count) creates were not answered") }
        }
    }
}

extension AttackClient {
    /// As much as fits on the way now, without reading anything.
    fileprivate func sendUnread(_ bytes: [UInt8]) {
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
}
