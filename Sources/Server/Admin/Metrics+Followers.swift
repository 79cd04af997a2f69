/// Who is told of changes: a cache in front, and other programs.
extension Metrics {
    mutating func addFollowers(_ node: Node) {
        let changes = node.api.feed.figures
        output.value(
            "edge_changes_told_total", .counter, "Changes told to followers.",
            Double(changes.told.load(ordering: .relaxed)))
        output.value(
            "edge_changes_waiting", .gauge, "Requests that wait for a change.",
            Double(changes.waiting.load(ordering: .relaxed)))
        output.value(
            "edge_changes_streams", .gauge, "Streams of changes that are open.",
            Double(changes.streams.load(ordering: .relaxed)))
        guard let purges = node.purger?.figures else { return }
        output.metric("edge_purge_calls_total", .counter, "Calls to the cache in front, by what came of them.")
        output.sample("edge_purge_calls_total", ["result": "done"], Double(purges.done.value))
        output.sample("edge_purge_calls_total", ["result": "retried"], Double(purges.retried.value))
        output.sample("edge_purge_calls_total", ["result": "failed"], Double(purges.failed.value))
        output.value(
            "edge_purge_calls_waiting", .gauge, "Calls that are owed, those under way among them.",
            Double(purges.waiting.load(ordering: .relaxed)))
        output.value(
            "edge_purge_gaps_total", .counter, "Parts of logs that could not be read: nobody knows what changed.",
            Double(purges.gaps.value))
    }
}
