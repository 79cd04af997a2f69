import Links
import Primitives
import Store

/// All that a node tells Prometheus. Names start with `edge_`, units are the base ones, label sets are bounded by the
/// code: no name of a link, client or key is ever a label.
struct Metrics {
    var output = MetricsText()

    var text: String { output.text }

    init(_ node: Node) {
        let workers = node.workerCounters
        addRedirects(workers)
        addLookups(workers.map(\.lookups), node.readers.counters)
        addReaders(node)
        addTokens(node)
        addChanges(node)
        addRepeats(node)
        addReports(node.api.reportCounts)
        addConnections(workers, node.publicBudget)
        if let tls = node.tls { addTLS(tls, node.upgrade, workers) }
        addSheddings(workers)
        addRequests(workers, node.api.answers.rows)
        output.value(
            "edge_api_queue_length", .gauge, "Requests that wait for the API thread.",
            Double(node.api.waitingCallCount))
        output.value(
            "edge_api_waiting_bytes", .gauge, "Of requests that wait for the API thread.",
            Double(node.api.waitingBytes))
        output.value(
            "edge_streams", .gauge, "Imports, exports and other requests that threads of their own serve.",
            Double(node.api.streams.count))
        output.value(
            "edge_auth_failures_total", .counter, "Requests whose key does not hold, whatever is wrong with it.",
            Double(node.authFailureCount))
        addJWT(node.jwt)
        addLimits(node.admission.admission)
        let figures = node.store.figures
        addStore(figures)
        addCommits(figures)
        addClicks(node)
        addFollowers(node)
        addJudges(node.judges)
        if let peers = node.peers {
            addReplication(peers.figures, node.intake)
            addDurability(node.durability)
        }
        addCertificate(end: node.certificateEnd.load(ordering: .relaxed))
        addOperation(node)
        addSwitches(node.live, workers)
        output.metric("edge_build_info", .gauge, "The running program; always 1.")
        output.sample("edge_build_info", ["version": edgeVersion], 1)
        output.value("edge_ready", .gauge, "1 while the node wants traffic.", node.isReady ? 1 : 0)
        output.value(
            "edge_damaged_answers_total", .counter, "Requests that met a damaged record.",
            Double(node.damagedAnswerCount))
    }

    private mutating func addRedirects(_ workers: [WorkerCounters]) {
        func sum(_ count: (WorkerCounters) -> UInt64) -> Double { Double(workers.reduce(0) { $0 + count($1) }) }
        output.metric("edge_code_requests_total", .counter, "Requests for a code or alias, by what was found.")
        for (result, count) in [
            ("redirect", sum { $0.redirects.value }), ("unknown", sum { $0.unknownCodes.value }),
            ("gone", sum { $0.goneCodes.value }), ("blocked", sum { $0.blockedCodes.value }),
            ("damaged", sum { $0.damagedRecords.value }),
        ] { output.sample("edge_code_requests_total", ["result": result], count) }
        let bounds = WorkerCounters.latencyBoundsMicroseconds
        let counts = (0...bounds.count).map { index in workers.reduce(0) { $0 + $1.latencyCounts[index] } }
        output.histogram(
            "edge_redirect_duration_seconds", "From reading a redirect's request to having written its answer.",
            bounds: bounds.map { Double($0) / 1e6 }, counts: counts, sum: sum { $0.latencySumMicroseconds.value } / 1e6)
    }

    private mutating func addReaders(_ node: Node) {
        let figures = node.readers.figures
        output.value(
            "edge_lookups_on_threads", .gauge, "1 while reader threads look codes up, 0 while workers do.",
            node.readers.isOn ? 1 : 0)
        output.value("edge_reader_lookups_total", .counter, "Lookups on reader threads.", Double(figures.lookups))
        output.value(
            "edge_reader_joined_requests_total", .counter, "Requests that found a lookup of their code under way.",
            Double(figures.joins))
        output.value(
            "edge_reader_waiting_lookups", .gauge, "Lookups that reader threads make or have to.",
            Double(figures.waitingLookups))
        output.value(
            "edge_reader_waiting_requests", .gauge, "Requests that wait for these lookups.",
            Double(figures.waitingRequests))
        output.value(
            "edge_worker_major_faults_total", .counter, "Page faults of workers that had to wait for the disk.",
            Double(node.workerCounters.reduce(0) { $0 + $1.majorFaults.value }))
        output.value(
            "edge_memory_limit_bytes", .gauge, "The least of the machine's memory and its control groups' limits.",
            Double(MemoryLimit.bytes() ?? 0))
    }

    private mutating func addLookups(_ counters: [LookupCounters], _ readers: [ReaderThreads.Counters]) {
        func sum(_ count: (LookupCounters) -> UInt64) -> Double { Double(counters.reduce(0) { $0 + count($1) }) }
        let (expired, overtaken) = (sum { $0.expired.value }, sum { $0.overtaken.value })
        output.metric(
            "edge_cache_requests_total", .counter, "Codes looked for in the workers' caches, by what was found.")
        for (result, count) in [
            ("hit", sum { $0.hits.value }), ("miss", max(0, sum { $0.misses.value } - expired - overtaken)),
            ("expired", expired), ("overtaken", overtaken),
        ] { output.sample("edge_cache_requests_total", ["result": result], count) }
        output.metric("edge_cache_insertions_total", .counter, "Answers that caches were offered, by what came of it.")
        output.sample("edge_cache_insertions_total", ["result": "taken"], sum { $0.insertions.value })
        output.sample("edge_cache_insertions_total", ["result": "rejected"], sum { $0.rejections.value })
        output.value(
            "edge_cache_evictions_total", .counter, "Answers that went for others.", sum { $0.evictions.value })
        output.value("edge_cache_entries", .gauge, "Answers in the workers' caches.", sum { $0.entries.value })
        output.value(
            "edge_store_lookups_total", .counter, "Searches of the store for redirects.",
            sum { $0.searches.value } + Double(readers.reduce(0) { $0 + $1.searches.value }))
        output.value(
            "edge_impossible_codes_total", .counter,
            "Codes that cannot exist by arithmetic: answered without a search.",
            sum { $0.impossible.value } + Double(readers.reduce(0) { $0 + $1.impossible.value }))
    }

    private mutating func addConnections(_ workers: [WorkerCounters], _ budget: ConnectionBudget) {
        func sum(_ count: (WorkerCounters) -> UInt64) -> Double { Double(workers.reduce(0) { $0 + count($1) }) }
        let (opened, closed) = (sum { $0.connectionsOpened.value }, sum { $0.connectionsClosed.value })
        output.value("edge_connections_opened_total", .counter, "Client connections accepted.", opened)
        output.value("edge_connections", .gauge, "Client connections open now.", max(0, opened - closed))
        output.value(
            "edge_refused_requests_total", .counter, "Requests refused as malformed, too large or too slow.",
            sum { $0.refusals.value })
        output.value("edge_sent_bytes_total", .counter, "Bytes sent to clients.", sum { $0.bytesSent.value })
        output.value("edge_received_bytes_total", .counter, "Bytes read from clients.", sum { $0.bytesReceived.value })
        output.value("edge_connections_limit", .gauge, "The most client connections at a time.", Double(budget.limit))
        output.value(
            "edge_kept_bytes", .gauge, "Parts of requests and unread answers that connections hold.",
            Double(budget.keptBytes))
        output.metric("edge_connections_evicted_total", .counter, "Connections closed to make room for others.")
        output.sample("edge_connections_evicted_total", ["reason": "idle"], sum { $0.sparedIdle.value })
        output.sample("edge_connections_evicted_total", ["reason": "slow"], sum { $0.sparedSlow.value })
        output.metric(
            "edge_connection_timeouts_total", .counter, "Connections whose time was over, by what was awaited.")
        for (awaited, standing) in [
            ("handshake", Connection.Standing.handshake), ("request", .idle), ("head", .head), ("body", .body),
            ("write", .writing),
            ("close", .lingering),
        ] {
            output.sample("edge_connection_timeouts_total", ["awaited": awaited], sum { $0.expiryCount(standing) })
        }
        output.value(
            "edge_accept_rests_total", .counter, "Times that accepting rested for want of a descriptor or a place.",
            sum { $0.acceptRests.value })
        output.value("edge_worker_wakeups_total", .counter, "Times that workers woke up.", sum { $0.wakeUps.value })
    }

    private mutating func addSheddings(_ workers: [WorkerCounters]) {
        output.metric("edge_shed_requests_total", .counter, "Requests refused at once with 503, by what is exceeded.")
        for (name, reason) in [
            ("queue_length", Shedding.queueLength), ("queue_bytes", .queueBytes), ("queue_age", .queueAge),
            ("kept_bytes", .keptBytes), ("lookups", .lookups),
        ] {
            let count = workers.reduce(0) { $0 + $1.shedCount(reason) }
            output.sample("edge_shed_requests_total", ["reason": name], Double(count))
        }
    }

    /// Workers count what they answer themselves, and the API the rest; both may know a route.
    private mutating func addRequests(_ workers: [WorkerCounters], _ rows: [APIAnswers.Row]) {
        var sums: [String: [Int: UInt64]] = [:]
        for row in rows { sums[row.route, default: [:]][row.status, default: 0] += row.count }
        for route in AnswerRoute.allCases {
            for status in AnswerCounts.statuses {
                let count = workers.reduce(0) { $0 + $1.answers.value(route, status) }
                if count > 0 { sums[route.name, default: [:]][status, default: 0] += count }
            }
        }
        output.metric("edge_requests_total", .counter, "Requests that were answered, by route and status.")
        for (route, counts) in sums.sorted(by: { $0.key < $1.key }) {
            for (status, count) in counts.sorted(by: { $0.key < $1.key }) {
                output.sample("edge_requests_total", ["route": route, "status": String(status)], Double(count))
            }
        }
    }

    private mutating func addCommits(_ figures: StoreFigures) {
        func counts(_ histogram: Histogram) -> [UInt64] { histogram.counts.indices.map { histogram.counts[$0] } }
        output.histogram(
            "edge_store_commit_duration_seconds", "From a transaction's beginning to the end of its sync.",
            bounds: StoreFigures.commitMicrosecondsBounds.map { Double($0) / 1e6 },
            counts: counts(figures.commitMicroseconds), sum: Double(figures.commitMicroseconds.sum) / 1e6)
        output.histogram(
            "edge_store_commit_writes", "Log entries of one transaction.",
            bounds: StoreFigures.commitWritesBounds.map { Double($0) }, counts: counts(figures.commitWrites),
            sum: Double(figures.commitWrites.sum))
    }

    private mutating func addClicks(_ node: Node) {
        let figures = node.clicks.figures
        output.metric("edge_clicks_total", .counter, "Redirects that were counted and made durable, by who asked.")
        for (name, counter) in [
            ("person", figures.people.value), ("bot", figures.bots.value), ("head", figures.heads.value),
        ] { output.sample("edge_clicks_total", ["class": name], Double(counter)) }
        output.value(
            "edge_clicks_undurable", .gauge, "Clicks that are counted and not on the disk yet.",
            Double(figures.undurable.load(ordering: .relaxed)))
        output.value(
            "edge_clicks_dropped_total", .counter, "Clicks that had no room.", Double(node.clickDropCount))
        output.value(
            "edge_click_commits_total", .counter, "Transactions of clicks made durable.", Double(figures.commits.value))
        output.value(
            "edge_click_damaged_rows_total", .counter, "Rows of clicks that were left out as damaged.",
            Double(figures.damagedRows))
        output.value(
            "edge_click_stores_set_aside_total", .counter, "Files of clicks that could not be used.",
            Double(figures.setAside.value))
        output.value(
            "edge_click_store_available", .gauge, "1 while clicks can be made durable.",
            figures.isAvailable.load(ordering: .relaxed) ? 1 : 0)
        output.value(
            "edge_click_store_used_bytes", .gauge, "Of the file of clicks, pages in use or free.",
            Double(figures.usedBytes.load(ordering: .relaxed)))
        output.value(
            "edge_hot_codes", .gauge, "Codes that are surely asked for more than 100 times a second lately.",
            Double(node.clicks.hotCodeCount))
    }

    private mutating func addOperation(_ node: Node) {
        output.value(
            "edge_access_log_dropped_total", .counter, "Lines of the access log that could not be written in time.",
            Double(node.accessLogDropCount))
        output.metric("edge_reloads_total", .counter, "Reloads of the configuration, by what came of them.")
        output.sample("edge_reloads_total", ["result": "applied"], Double(node.reloads.applied.value))
        output.sample("edge_reloads_total", ["result": "refused"], Double(node.reloads.refused.value))
    }

    private mutating func addLimits(_ admission: Admission) {
        output.metric("edge_rate_limited_total", .counter, "Requests refused with 429, by limit.")
        for name in LimitName.allCases {
            output.sample("edge_rate_limited_total", ["limit": name.rawValue], Double(admission.refusalCount(name)))
        }
        output.metric("edge_rate_limit_clients", .gauge, "Clients that have asked lately, by limit that is on.")
        let now = System.monotonicMicroseconds()
        for limiter in admission.limiters {
            output.sample(
                "edge_rate_limit_clients", ["limit": limiter.name.rawValue], Double(limiter.sweep(at: now)))
        }
    }

    private mutating func addStore(_ figures: StoreFigures) {
        output.value("edge_store_commits_total", .counter, "Transactions made durable.", Double(figures.commits))
        output.value("edge_store_writes_total", .counter, "Log entries written.", Double(figures.writes))
        output.value(
            "edge_store_queue_length", .gauge, "Writes that wait for the writer.", Double(figures.queuedWrites))
        output.value(
            "edge_store_used_bytes", .gauge, "Of the map, pages in use or free.", Double(figures.size.usedBytes))
        output.value(
            "edge_store_map_bytes", .gauge, "The most that the store can grow to.", Double(figures.size.mapBytes))
        output.value("edge_store_full", .gauge, "1 while links are refused for want of room.", figures.isFull ? 1 : 0)
        output.value("edge_log_head", .gauge, "Sequence of the newest own log entry.", Double(figures.head))
        output.value(
            "edge_log_applied_entries_total", .counter, "Entries of other nodes' logs.", Double(figures.merged.entries))
        output.value(
            "edge_code_conflicts_total", .counter, "Of them, those for a code that another link has.",
            Double(figures.merged.conflicts))
        output.value(
            "edge_unmerged_records_total", .counter, "Of them, those for a record that is damaged here.",
            Double(figures.merged.damagedRecords))
        output.value(
            "edge_lost_rows_total", .counter, "Rows that stayed behind when a snapshot took the store's place.",
            Double(figures.lostRows))
        addScrub(figures.scrub)
        guard let issuer = figures.issuer else { return }
        output.value(
            "edge_codes_left", .gauge, "Numbers that can be given out without another lease.",
            Double(issuer.numbersLeft))
        output.value(
            "edge_codes_rate", .gauge, "Codes given out a second, over some ten seconds.", issuer.ratePerSecond)
        output.value(
            "edge_codes_empty_seconds", .gauge, "At that rate, until none are left; +Inf if none are given out.",
            issuer.secondsToEmpty.map { Double($0) } ?? .infinity)
        output.metric("edge_codes_breaker", .gauge, "1 for the state that the breaker of codes is in.")
        for (state, name) in [(0, "closed"), (1, "open"), (2, "half_open")] {
            output.sample("edge_codes_breaker", ["state": name], state == Self.index(issuer.breaker) ? 1 : 0)
        }
    }

    private mutating func addScrub(_ figures: ScrubFigures) {
        output.value(
            "edge_scrub_rounds_total", .counter, "Times that all records and digests were checked.",
            Double(figures.rounds))
        output.value(
            "edge_scrub_damaged_records_total", .counter, "Damaged records that the checks met, in each round anew.",
            Double(figures.damagedRecords))
        output.value(
            "edge_scrub_corrected_digests_total", .counter, "Digests that were not those of their records.",
            Double(figures.correctedDigests))
        output.value(
            "edge_scrub_reduced_records_total", .counter, "Records of links long expired that were cut down.",
            Double(figures.reducedRecords))
    }

    private static func index(_ breaker: Issuer.Breaker) -> Int {
        switch breaker {
        case .closed: 0
        case .open: 1
        case .halfOpen: 2
        }
    }
}
