import Links

/// A node with one worker and a store of its own, and the redirects that are asked of it.
struct Subject {
    let node: EdgeNode
    let workload: Workload
    let firstCode: [UInt8]

    init(_ links: Int, in rounds: Rounds, _ name: String, on processors: [Int] = Processors.server) throws {
        let store = try BuiltStore(links, in: rounds.directory.appending(name))
        node = try EdgeNode(data: store.directory, on: processors)
        workload = .redirects(LinkDraw(store.codes, .zipf(1)))
        var code: [UInt8] = []
        code.append(store.codes[0])
        firstCode = code
    }
}
