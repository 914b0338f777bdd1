import json
import math

import pytest

from configs import variants
from gln_jax import config as settings
from gln_jax.runtime import errors
from gln_jax.training import schedule


def test_json_round_trip():
    config = settings.default()
    config.scale, config.data.source_weights = 4, 'uspol:4'
    assert settings.from_json(settings.to_json(config)) == config


def test_a_field_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match='no_such_field'):
        settings.from_json('{"no_such_field": 1}')


@pytest.mark.parametrize('text', ['[]', '{"scale": 3}', '{"scale": "8"}', '{"network": "gln99"}', '{"data": 1}', '{'])
def test_a_text_that_is_no_config_is_refused(text):
    with pytest.raises(ValueError):
        settings.from_json(text)


def test_a_field_of_older_files_that_says_nothing_today_is_passed_over():
    older = json.loads(settings.to_json(settings.default())) | {'columns_at_once': 2}
    assert settings.from_json(json.dumps(older)) == settings.default()
    with pytest.raises(ValueError, match='columns_twice'):
        settings.from_json(json.dumps(older | {'columns_twice': 2}))


def test_faces_of_another_alignment_are_refused():
    theirs = json.loads(settings.to_json(settings.default()))
    theirs['conventions']['template_eyes'] = [[40, 50], [88, 50]]
    with pytest.raises(ValueError, match='faces whose template_eyes is'):
        settings.from_json(json.dumps(theirs))


@pytest.mark.parametrize('field, value', [
    ('scale', 3), ('network', 'gln9'), ('degradation', 'area'), ('data.name', 'mnist'), ('optimizer.name', 'lion'),
    ('reconstruction.steps', -1), ('adversarial.turns', -1), ('optimizer.average_decay', 1.0),
    ('adversarial.weight', 'much'), ('adversarial.weight', '-1'), ('data.source_weights', 'lfw'),
    ('data.source_weights', 'lfw:-2'), ('checkpoint.keep', 0), ('fast.width', 0), ('fast.upsampling_blocks', (1,)),
    ('seed', -1), ('seed', 2**70), ('fast.width', 16),
    ('fast.upsampling_widths', (48, 'a')), ('fast.upsampling_widths', (0, 32)), ('fast.upsampling_blocks', (2, -1)),
    ('optimizer.learning_rate', math.inf), ('optimizer.final_learning_rate_share', -1.0), ('optimizer.clip_norm', math.nan),
    ('adversarial.generator_learning_rate', -1.0), ('adversarial.discriminator_learning_rate', math.nan),
    ('augmentation.shift', math.nan)])
def test_a_value_that_cannot_be_used_is_refused_by_its_name(field, value):
    config = settings.default()
    *rooms, name = field.split('.')
    place = config
    for room in rooms:
        place = place[room]
    place[name] = value
    with pytest.raises(errors.InputError, match=f'config.{field}'):
        settings.check(config)


def test_a_folder_needs_its_path():
    config = settings.default()
    config.data.name = 'folder'
    with pytest.raises(errors.InputError, match='config.data.path'):
        settings.check(config)


@pytest.mark.parametrize('text, weight', [('8e3', 8000.0), ('0', 0.0), ('auto', None)])
def test_lambda_is_a_number_or_auto(text, weight):
    config = settings.default()
    config.adversarial.weight = text
    assert settings.adversarial_weight(config) == weight


def test_source_weights():
    config = settings.default()
    config.data.source_weights = 'uspol:4, ffhq256:2.5'
    assert settings.source_weights(config) == {'uspol': 4.0, 'ffhq256': 2.5}


def test_variants_change_the_network_the_recipe_and_the_name():
    config = variants.with_variant(settings.default(), 'gln4,paper')
    assert (config.network, config.name, config.optimizer.name) == ('gln4', 'x8_gln4_paper', 'sgd')
    assert (config.reconstruction.batch_size, config.optimizer.learning_rate) == (5, 1e-8)
    settings.check(config)


def test_a_variant_may_be_a_size_of_the_fast_network():
    config = variants.with_variant(settings.default(), 'fast_small')
    assert (config.name, config.network, config.fast.width) == ('x8_fast_small', 'fast', 64)
    assert variants.of_file('configs/x8_fast.py:fast_large').name == 'x8_fast_large'
    assert variants.of_file('configs/x8_fast.py').fast == settings.default().fast


def test_a_variant_may_be_what_a_config_is_already():
    assert variants.of_file('configs/x8.py:gln8') == variants.of_file('configs/x8.py')
    assert variants.of_file('configs/x8_fast.py:fast') == variants.of_file('configs/x8_fast.py')


def test_the_papers_recipe_is_that_of_any_config():
    ours, papers = (variants.of_file(f'configs/{name}.py:gln8,paper') for name in ('x8_fast', 'x8'))
    differing = settings.differences(ours, papers)
    assert all(line.startswith(('name:', 'fast.', 'reconstruction.steps:')) for line in differing), differing


def test_an_unknown_variant_lists_those_known():
    with pytest.raises(errors.InputError, match="'gln5' is not known; choose of gln8, gln6, gln4, .*paper"):
        variants.with_variant(settings.default(), 'gln5')


def test_differences_name_fields_and_leave_out_those_that_may_change():
    old, new = settings.default(), settings.default()
    new.optimizer.learning_rate, new.log.every_seconds, new.adversarial.turns = 0.5, 1.0, 7
    assert settings.differences(old, new) == ['optimizer.learning_rate: 0.001 there, 0.5 now']


def phases(config, steps):
    return [schedule.phase_at(config, step)[0] for step in steps]


def test_stages_follow_each_other_and_stage_2_alternates():
    config = settings.default()
    config.reconstruction.steps = 5
    config.adversarial.update(turns=2, discriminator_steps=2, generator_steps=3)
    assert ''.join(phases(config, range(schedule.total_steps(config)))) == 'rrrrr' + 'ddggg' * 2


def test_paper_turns_are_10_and_50_by_default():
    config = settings.default()
    turn = phases(config, range(config.reconstruction.steps, config.reconstruction.steps + 60))
    assert turn == ['d'] * 10 + ['g'] * 50


def test_is_due_every_so_many_steps_and_at_the_end_but_not_before_the_first():
    assert [step for step in range(11) if schedule.is_due(step, 4, 10)] == [4, 8, 10]
