import HTTP

/// Which request is whose.
extension API {
    func route(_ call: APICall) {
        let head = call.message.head
        if head.method == .other { return call.answer(Problem(.notImplemented).response) }
        let path = call.message.path
        if path == "*" {
            return call.answer(
                Response(status: 204, fields: [("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")]))
        }
        guard let (resource, argument) = Resource.find(path) else { return missing(call) }
        var call = call
        call.route = resource.rawValue
        if let operation = resource.operation(head.method) { return run(operation, call, argument) }
        call.answer(
            head.method == .options
                ? Response(status: 204, fields: [("Allow", resource.allow)])
                : Problem.methodNotAllowed(allow: resource.allow).response)
    }

    /// - argument: what stands in the place of the path's parameter.
    private func run(_ operation: Operation, _ call: APICall, _ argument: String) {
        switch operation {
        case .listLinks: list(call)
        case .createLink: create(call, .full)
        case .importLinks: importLinks(call)
        case .exportLinks: exportLinks(call)
        case .takeBatch: takeBatch(call)
        case .showBatch: showBatch(call, argument)
        case .showLink: show(call, argument)
        case .changeLink, .deleteLink: change(call, argument)
        case .showClicks: showClicks(call, argument)
        case .listBlocks: listBlocks(call)
        case .showBlock: showBlock(call, argument)
        case .setBlock: setBlock(call, argument, isBlocked: true)
        case .liftBlock: setBlock(call, argument, isBlocked: false)
        case .report: takeReport(call)
        case .listReports: listReports(call)
        case .decideReport: decideReport(call, argument)
        case .tellAudit: tellAudit(call)
        case .tellChanges: tellChanges(call)
        case .describe: call.answer(description.response(ifNoneMatch: call.message.value(of: .ifNoneMatch)))
        case .shorten: create(call, .short)
        case .health: call.answer(Self.health(true))
        case .readiness: call.answer(Self.health(isReady()))
        case .listProblems, .showProblem:
            guard let page = ProblemPage.response(call.message.path) else { return missing(call) }
            call.answer(page)
        // The workers', as health is; what comes here is not for them.
        case .follow: call.answer(Problem.notFound.response)
        case .preview: preview(call, argument)
        }
    }
}
