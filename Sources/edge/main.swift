import Glibc
import Server

StandardStream.secure()
exit(run())

func run() -> Int32 {
    var arguments: [String] = []
    for index in 1..<max(1, Int(CommandLine.argc)) {
        guard let argument = CommandLine.unsafeArgv[index].flatMap({ String(validatingCString: $0) }) else {
            StandardStream.error.write("edge: argument \(index) is not UTF-8\n")
            return ExitStatus.wrongUsage
        }
        arguments.append(argument)
    }
    do {
        return perform(try Command.parse(arguments))
    } catch {
        StandardStream.error.write(error.description)
        return ExitStatus.wrongUsage
    }
}

func perform(_ command: Command) -> Int32 {
    switch command {
    case .serve(let source): withConfiguration(source) { runServer(source, $0) }
    case .check(let source): withConfiguration(source, runCheck)
    case .systemdUnit(let source): withConfiguration(source) { runSystemdUnit(source, $0) }
    case .create(let request): runCreate(request)
    case .status(let server): runStatus(server)
    case .key(let command): runKey(command)
    case .switch(let command): runSwitch(command)
    case .verify(let data): runVerify(data: data)
    case .dump(let data): runDump(data: data)
    case .backup(let request): runBackup(request)
    case .restore(let backup, let data): runRestore(backup: backup, data: data)
    case .import(let request): runImport(request)
    case .export(let request): runExport(request)
    case .cluster(let command): runCluster(command)
    case .peerOrder(let order, let server): runPeerOrder(order, server)
    case .version: printed("edge \(edgeVersion)\n")
    case .help(let topic): printed(topic?.help ?? CommandName.overview)
    }
}

func withConfiguration(_ source: ConfigurationSource, _ run: (Configuration) -> Int32) -> Int32 {
    do {
        return run(try source.load())
    } catch {
        StandardStream.error.write(error.description + "\n")
        return ExitStatus.wrongConfiguration
    }
}

func printed(_ text: String) -> Int32 {
    StandardStream.output.write(text) ? ExitStatus.done : ExitStatus.failed
}
