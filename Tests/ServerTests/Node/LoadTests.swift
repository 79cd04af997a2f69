import Glibc
import Testing

extension NodeTests {
    @Suite struct Load {
        /// Clients that ask for much and take nothing: others are served, and memory stays within bounds.
        @Test func clientsThatDoNotRead() throws {
            let node = try RunningNode(["--workers", "1"])
            let other = try node.connect()
            let code = try other.create("https://example.com/" + String(repeating: "a", count: 2028))
            let requests = Array(String(repeating: Client.request("GET", "/\(code)"), count: 2000).utf8)
            let before = try node.child.privateBytes
            let clients = try (0..<50).map { _ in try node.connect(receiveBytes: 4096) }
            for client in clients {
                // As much as the connection takes while the node looks at other things.
                var isTaken = true
                while isTaken {
                    isTaken = try client.sendSome(requests[...]) == requests.count
                    #expect(try other.get("/\(code)").status == 302)
                }
            }
            for _ in 0..<100 { #expect(try other.get("/\(code)").status == 302) }
            #expect(try !other.create("https://example.com/").isEmpty)
            let grown = try node.child.privateBytes - before
            #expect(grown < 16 << 20, "\(grown >> 20) MiB for \(clients.count) connections")
            // Whoever reads at last gets answers.
            #expect(try clients[0].read().status == 302)
        }

        /// Answers that cannot be written do not keep a worker busy.
        @Test func unreadAnswersCostNothing() throws {
            let node = try RunningNode(["--workers", "1"])
            let other = try node.connect()
            let code = try other.create("https://example.com/" + String(repeating: "a", count: 2028))
            let client = try node.connect(receiveBytes: 4096)
            let requests = Array(
                String(repeating: Client.request("GET", "/\(code)") + Client.creation("https://a.example/"), count: 500)
                    .utf8)
            while try client.sendSome(requests[...]) == requests.count {}
            try expectRest(node, other)
        }

        /// That the node, once it is through with what it took, rests for a second in which only `client` could ask, and
        /// then answers. A thread that turns idly never lets such a second come, however busy the machine is.
        private func expectRest(_ node: RunningNode, _ client: Client) throws {
            let deadline = Deadline()
            var used = Int.max
            while used >= 25 && !deadline.isOver {
                for _ in 0..<10 { #expect(try client.get("/health").status == 200) }
                let before = try node.child.processorTicks
                #expect(!client.hasInput(withinMilliseconds: 1000))
                used = try node.child.processorTicks - before
            }
            #expect(used < 25, "\(used) hundredths of a second in one second")
            #expect(try client.get("/health").status == 200)
        }

        @Test func slowConnections() throws {
            let node = try RunningNode(["--workers", "1"])
            let clients = try (0..<100).map { _ in try node.connect() }
            let other = try node.connect()
            let code = try other.create("https://example.com/")
            for byte in Client.request("GET", "/\(code)").utf8 {
                for client in clients { try client.send([byte]) }
                #expect(try other.get("/\(code)").status == 302)
            }
            for client in clients { #expect(try client.read().status == 302) }
        }

        @Test func manyConnections() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/")
            try raiseDescriptorLimit()
            let clients = try (0..<1000).map { _ in try node.connect() }
            for _ in 0..<2 {
                for client in clients { try client.send(Client.request("GET", "/\(code)")) }
                for client in clients { #expect(try client.read().status == 302) }
            }
            for client in clients { try client.send(Client.creation("https://example.com/")) }
            for client in clients { #expect(try client.read().status == 201) }
        }

        private func raiseDescriptorLimit() throws {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            if limit.rlim_cur < 4096 {
                limit.rlim_cur = min(4096, limit.rlim_max)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            }
        }

        /// Clients that go away while the node works for them, in all ways.
        @Test func abandonedRequests() throws {
            let node = try RunningNode()
            let code = try node.connect().create("https://example.com/")
            for round in 0..<300 {
                let client = try node.connect()
                switch round % 4 {
                case 0: try client.send(Client.creation("https://example.com/"))
                case 1: try client.send(String(repeating: Client.request("GET", "/\(code)"), count: 100))
                case 2: try client.send(String(Client.creation("https://example.com/").dropLast(5)))
                default:
                    try client.send(Client.creation("https://example.com/"))
                    // Closing sends a reset.
                    var reset = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
                }
            }
            let client = try node.connect()
            #expect(try client.get("/\(code)").status == 302)
            try expectRest(node, client)
        }

        /// More come than there are descriptors for: who is done makes room, and all are served in turn.
        @Test func descriptorLimit() throws {
            let node = try RunningNode(["--workers", "1"], limits: "ulimit -n 64")
            let code = try node.connect().create("https://example.com/")
            let clients = try (0..<200).map { _ in
                let client = try node.connect()
                try client.send(Client.request("GET", "/\(code)"))
                return client
            }
            for client in clients { #expect(try client.read().status == 302) }
            let last = clients.last!
            try expectRest(node, last)
            #expect(try last.create("https://example.com/") != code)
        }
    }
}
