import lab

extension Cluster {
    /// What the bytes that one side sends to the other pass, whoever dialled.
    private func ways(from side: [Int], to other: [Int]) -> [(proxy: FaultProxy, direction: FaultProxy.Direction)] {
        side.flatMap { here in
            other.flatMap { there in [(proxy(from: here, to: there), .there), (proxy(from: there, to: here), .back)] }
        }
    }

    /// What becomes of the bytes that one side sends to the other, and of those alone.
    func set(_ passage: Faults.Passage, from side: [Int], to other: [Int]) {
        for way in ways(from: side, to: other) { way.proxy.set(way.direction) { $0.passage = passage } }
    }

    /// Resets what connects the two sides, and lets nothing through until `join`.
    func part(_ side: [Int], _ other: [Int]) { for way in ways(from: side, to: other) { way.proxy.cut() } }
    func join(_ side: [Int], _ other: [Int]) throws { for way in ways(from: side, to: other) { try way.proxy.mend() } }

    /// Whether `here` has a connection with any of the others.
    func isConnected(_ here: Int, to others: [Int]) throws -> Bool {
        let names = Set(others.map { "\($0 + 1)/0" })
        return try node(here).standing.peers.contains { $0.connected && names.contains($0.node) }
    }

    /// Heads of the logs that nodes write at present, as `here` has them.
    func heads(at here: Int, of places: [Int]) throws -> [UInt64] {
        let logs = try node(here).standing.logs
        return try places.map { place in
            let origin = try node(place).standing.incarnation
            return logs.first { $0.origin == origin }?.head ?? 0
        }
    }
}
