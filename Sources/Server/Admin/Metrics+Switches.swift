extension Metrics {
    mutating func addSwitches(_ live: LiveConfiguration, _ workers: [WorkerCounters]) {
        output.metric("edge_switch_on", .gauge, "1 while what has this name is on.")
        for state in live.switches { output.sample("edge_switch_on", ["name": state.name], state.on ? 1 : 0) }
        output.value(
            "edge_clicks_uncounted_total", .counter, "Redirects given while clicks were not counted.",
            Double(workers.reduce(0) { $0 + $1.uncountedClicks.value }))
    }
}
