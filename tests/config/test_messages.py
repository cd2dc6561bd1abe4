"""What a person reads when something is wrong: the file, the key, what is wrong, what would be right."""

import pytest

from sgdlab.config.compose import validate_execution, validate_run
from sgdlab.errors import UsageError

HERE = "here: "
MODELS = "autoencoder, cnn, cnn6, custom, lstm, mlp, resnet50, resnet9, wide_resnet, wide_resnet_norm"
MESSAGES = {
    # a key that isn't there
    "optimizer.lrr=1": (
        "optimizer.lrr is not a key (did you mean optimizer.lr?); "
        "known here: batch_size, clip_norm, inner_steps, kind, lr, momentum, order, remainder"
    ),
    "optimiser.lr=1": "optimiser.lr is not a key (did you mean optimizer.lr?)",
    "lr=1": "lr is not a key (did you mean optimizer.lr?)",
    "batchsize=1": "batchsize is not a key (did you mean optimizer.batch_size?)",
    "zzz=1": (
        "zzz is not a key; known here: seed, precision, data, model, loss, regularizer, optimizer, "
        "schedule, budget, evaluation, landscape, diagnostics, tracker, launcher, folders"
    ),
    "optimizer.lr.warmup=1": "optimizer.lr.warmup can't be set: lr is a value, not a group of keys",
    "landscape=measured landscape.quantities=[noize]": (
        "landscape.quantities[0]='noize': input should be 'noise', 'sharpness', 'interaction', 'step', "
        "'valley', 'gap' or 'update'"
    ),
    # a key of another option
    "regularizer.strength=1": (
        "regularizer.strength is not a key: regularizer is none, and regularizer=gradient_norm or "
        "regularizer=gradient_noise has strength"
    ),
    "budget.num_updates=100": (
        "budget.num_updates is not a key: budget is epochs, and budget=updates has num_updates"
    ),
    # a value of another type
    "optimizer.lr=fast": "optimizer.lr='fast': input should be a number, such as 0.01, 2**-6 or 1/32",
    "optimizer.lr=null": "optimizer.lr=None: input should be a number, such as 0.01, 2**-6 or 1/32",
    "optimizer.lr=2**100000": (
        "optimizer.lr='2**100000': input should be a number, such as 0.01, 2**-6 or 1/32"
    ),
    "optimizer.inner_steps=true": "optimizer.inner_steps=True: true is not a number",
    "optimizer.batch_size=2**-1": (
        "optimizer.batch_size=0.5: input should be a whole number, such as 16 or 2**4"
    ),
    "optimizer.batch_size=x": "optimizer.batch_size='x': input should be a whole number, such as 16 or 2**4",
    "model.hidden_widths=64": "model.hidden_widths=64: input should be a list, such as [64, 64]",
    "model.hidden_widths=[64,0]": ("model.hidden_widths[1]=0: input should be greater than or equal to 1"),
    "data.flip=maybe": "data.flip='maybe': input should be a valid boolean, unable to interpret input",
    # a value out of range
    "optimizer.lr=0": "optimizer.lr=0: input should be greater than 0",
    "optimizer.lr=-2**-6": "optimizer.lr='-2**-6': input should be greater than 0",
    "optimizer.lr=nan": "optimizer.lr=nan: input should be greater than 0",
    "schedule=hold_then_decay schedule.hold_fraction=nan": (
        "schedule.hold_fraction=nan: input should be greater than or equal to 0"
    ),
    "loss.l2=inf": "loss.l2=inf: input should be a finite number",
    "data.num_train=4001": "data.num_train=4001: input should be less than or equal to 4000",
    "optimizer.order=sorted": (
        "optimizer.order='sorted': input should be 'shuffled', 'independent', 'with_replacement', 'fixed', "
        "'forward_reverse' or 'sequential'"
    ),
    # an option that isn't there
    "model=mpl": f"model=mpl: there is no such option (did you mean mlp?); known here: {MODELS}",
    "model=resnet": f"model=resnet: there is no such option (did you mean resnet9?); known here: {MODELS}",
    "model=null": "model=None: model picks an option by its name; a value is set as model.NAME",
    "data=[mnist]": "data=['mnist']: data picks an option by its name; a value is set as data.NAME",
    "data='[digits]'": "data=[digits]: an option is named by a word",
    # components that don't fit each other
    "optimizer.batch_size=5000": "optimizer.batch_size=5000 is larger than data.num_train=4000",
    "budget.num_epochs=1/9999": (
        "budget: less than one update; raise budget.num_epochs or use budget=updates"
    ),
    "data.flip=true": "data.flip mirrors images, and mnist1d has none",
    "model=wide_resnet": "model=wide_resnet needs images, and data=mnist1d has none",
    "data=cifar10 model=cnn model.channels=[4,4,4,4,4,4]": (
        "model.channels has 6 stages, each of which halves an image, and those of cifar10 are only 32×32"
    ),
    "data=cifar10 model=wide_resnet model.depth=12": "model.depth=12 must be 6k+4: 10, 16, 22, 28, …",
    "data=cifar10 model=wide_resnet model.ghost_size=8": (
        "model.ghost_size=8 is for model.norm=batch; this is skipinit"
    ),
    "data=cifar10 model=wide_resnet model.norm=batch model.ghost_size=12 optimizer.batch_size=32": (
        "optimizer.batch_size=32 must be a multiple of model.ghost_size=12"
    ),
    "data=ptb": "model=mlp needs images or signals, and data=ptb has neither",
    "model=lstm": "model=lstm reads words, and data=mnist1d has none; use data=ptb",
    "data=ptb model=lstm": (
        "model=lstm goes on reading where its last minibatch ended, which optimizer.order=shuffled doesn't; "
        "use optimizer.order=sequential"
    ),
    "data=ptb model=lstm optimizer.order=sequential optimizer.inner_steps=2": (
        "optimizer.inner_steps=2 reads a minibatch again, and model=lstm has read on by then; "
        "use optimizer.inner_steps=1"
    ),
    "data=ptb model=lstm optimizer.order=sequential landscape=measured": (
        "landscape=measured takes every example by itself, and what model=lstm makes of one depends on those "
        "before it; use landscape=none"
    ),
    "data.num_train=100 optimizer.order=sequential optimizer.remainder=carry": (
        "optimizer.order=sequential visits the same batches each epoch, so optimizer.remainder=carry needs "
        "data.num_train=100 to be a multiple of optimizer.batch_size=16; use optimizer.remainder=drop"
    ),
    "data=cifar10 model=cnn model.ghost_size=8": "model.ghost_size=8 is for model.norm=batch; this is none",
    "data=cifar10 model=resnet9 model.ghost_size=12": (
        "optimizer.batch_size=16 must be a multiple of model.ghost_size=12"
    ),
    "data=cifar10 model=resnet50 model.ghost_size=12": (
        "optimizer.batch_size=16 must be a multiple of model.ghost_size=12"
    ),
    "model=resnet9": "model=resnet9 needs images, and data=mnist1d has none",
    "model=resnet50": "model=resnet50 needs images, and data=mnist1d has none",
    "model=autoencoder loss=bernoulli": "model=autoencoder needs images, and data=mnist1d has none",
    "data=mnist model=autoencoder model.encoder_widths=[]": (
        "model.encoder_widths=[]: the last width is the code's, so that there must be one"
    ),
    "data=mnist model=autoencoder": "model=autoencoder needs loss=bernoulli, and this is loss=cross_entropy",
    "model=custom model.network=residual.py": (
        "model.network='residual.py': input should be FILE.py:ClassName or package.module:ClassName"
    ),
    "model=custom model.network=there.is.none:Net": (
        "model.network='there.is.none:Net': there is no module there.is.none"
    ),
    "loss=bernoulli": "loss=bernoulli needs model=autoencoder, and this is model=mlp",
    "data=mnist model=autoencoder loss=bernoulli": (
        "loss=bernoulli needs pixels in [0, 1]: data.standardize=none, and this is dataset"
    ),
    # micro-batches
    "regularizer=gradient_noise regularizer.micro_batch_size=5": (
        "regularizer.micro_batch_size=5 must divide optimizer.batch_size=16"
    ),
    "regularizer=gradient_norm regularizer.micro_batch_size=4 regularizer.estimator=central_difference": (
        "regularizer.micro_batch_size=4 has no finite differences; use regularizer.estimator=exact, and this "
        "is central_difference"
    ),
    "data=cifar10 model=cnn model.norm=batch regularizer=gradient_noise": (
        "regularizer.micro_batch_size=8 must be a multiple of model.ghost_size, so that batch normalisation "
        "sees the same examples together; this is None"
    ),
    "data=cifar10 model=resnet50 model.ghost_size=16 regularizer=gradient_noise": (
        "regularizer.micro_batch_size=8 must be a multiple of model.ghost_size, so that batch normalisation "
        "sees the same examples together; this is 16"
    ),
    "data=ptb model=lstm optimizer.order=sequential regularizer=gradient_noise": (
        "regularizer.micro_batch_size=8 takes examples apart, and model=lstm reads on from minibatch to "
        "minibatch"
    ),
    "optimizer.momentum=1": "optimizer.momentum=1: input should be less than 1",
    "data.num_train=100 optimizer.order=fixed optimizer.remainder=carry": (
        "optimizer.order=fixed visits the same batches each epoch, so optimizer.remainder=carry needs "
        "data.num_train=100 to be a multiple of optimizer.batch_size=16; use optimizer.remainder=drop"
    ),
}


@pytest.mark.parametrize(("given", "message"), MESSAGES.items(), ids=MESSAGES)
def test_a_wrong_run_is_one_readable_line(composer, given, message):
    with pytest.raises(UsageError) as refused:
        validate_run(composer, composer.parse(given.split(" ")), "here")
    assert str(refused.value) == HERE + message


EXECUTION = {
    "launcher.num_workers=0": "launcher.num_workers=0: input should be greater than or equal to 1",
    "launcher.num_worker=2": (
        "launcher.num_worker is not a key (did you mean launcher.num_workers?); known here: "
        "backend, checkpoint_every_s, device, devices_per_run, examples_per_pass, heartbeat_every_s, keep, "
        "kind, lease_timeout_s, num_workers, pack_size"
    ),
    "launcher=slurm launcher.gpus_per_job=3 launcher.devices_per_run=2": (
        "launcher.gpus_per_job=3 must be a multiple of launcher.devices_per_run=2"
    ),
    "launcher.pack_size=all": (
        "launcher.pack_size='all': input should be a whole number, such as 16 or 2**4"
    ),
    "launcher.pack_size=0": "launcher.pack_size=0: input should be greater than or equal to 1",
    "launcher.device=gpu": "launcher.device='gpu': input should be 'auto', 'cpu' or 'cuda'",
    "launcher=slurm launcher.num_worker=2": (
        "launcher.num_worker is not a key (did you mean launcher.num_workers?); known here: "
        "account, backend, checkpoint_every_s, constraint, cpus_per_job, device, devices_per_run, "
        "examples_per_pass, gpu_name, gpus_per_job, heartbeat_every_s, idle_timeout_s, keep, kind, "
        "lease_timeout_s, memory_gb, num_workers, pack_size, partition, python, qos, sbatch, setup, "
        "stop_before_end_s, wall_time_min, workers_per_gpu"
    ),
    "launcher=slurm launcher.num_workers=2001 launcher.gpus_per_job=2": (
        "launcher.num_workers=2001 makes 1001 jobs of 2; an array has 1000 at most"
    ),
    "launcher=slurm launcher.wall_time_min=2": (
        "launcher.stop_before_end_s=120 leaves nothing of launcher.wall_time_min=2"
    ),
    "launcher=slurm launcher.gpus_per_job=-1": (
        "launcher.gpus_per_job=-1: input should be greater than or equal to 0"
    ),
    "launcher=slurm launcher.memory_gb=16G": (
        "launcher.memory_gb='16G': input should be a number, such as 0.01, 2**-6 or 1/32"
    ),
    "launcher=slurm launcher.setup=module": (
        "launcher.setup='module': input should be a list, such as [64, 64]"
    ),
    "launcher=slurm launcher.sbatch=hold": (
        "launcher.sbatch='hold': input should be a mapping of names to values"
    ),
    "launcher=slurm launcher.sbatch.cpus-per-task=2": (
        "launcher.sbatch.cpus-per-task: that is launcher.cpus_per_job"
    ),
    "launcher=slurm launcher.sbatch.time=60": "launcher.sbatch.time: that is launcher.wall_time_min",
    "launcher=slurm launcher.sbatch.array=0-3": (
        "launcher.sbatch.array can't be chosen: sgdlab depends on it"
    ),
    "launcher=slrum": (
        "launcher=slrum: there is no such option (did you mean slurm?); known here: local, slurm"
    ),
    "tracker=wb": "tracker=wb: there is no such option; known here: none, wandb",
    "tracker=none tracker.project=x": (
        "tracker.project is not a key: tracker is none, and tracker=wandb has project"
    ),
}


@pytest.mark.parametrize(("given", "message"), EXECUTION.items(), ids=EXECUTION)
def test_so_is_a_wrong_way_to_carry_it_out(composer, given, message):
    with pytest.raises(UsageError) as refused:
        validate_execution(composer, composer.parse(given.split(" ")), "here")
    assert str(refused.value) == HERE + message


def test_everything_that_is_wrong_is_said_at_once(composer):
    with pytest.raises(UsageError) as refused:
        validate_run(composer, {"optimizer.lr": "x", "seed": -1, "model.activation": "tan"}, "here")
    assert str(refused.value).splitlines() == [
        "here: seed=-1: input should be greater than or equal to 0",
        "here: model.activation='tan': input should be 'relu', 'tanh' or 'gelu'",
        "here: optimizer.lr='x': input should be a number, such as 0.01, 2**-6 or 1/32",
    ]


def test_a_value_from_a_file_names_the_file(composer):
    missing = {"model": "wide_resnet", "data": "digits", "model.width": None}
    with pytest.raises(UsageError, match=r"^here: model.width=None: "):
        validate_run(composer, missing, "here")
    origin = composer.source_of("model.depth", missing, "here")
    assert origin == "conf/model/wide_resnet.yaml"
    assert composer.source_of("seed", missing, "here") == "conf/config.yaml"
    assert composer.source_of("model.width", missing, "here") == "here"
