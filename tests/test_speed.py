import pytest

from gln_jax import speed


def test_a_row_has_the_networks_size_and_its_rates(monkeypatch, capsys):
    monkeypatch.setattr(speed, 'SECONDS_EACH', 0.0)
    speed.main(['--networks=gln3', '--batch-sizes=4'])
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[:3] == ['gln3', '8', '4'] and row[4] == '4,412,346'
    assert float(row[5]) > float(row[7]) > 0, 'training is slower than restoring'


@pytest.mark.parametrize('arguments, message', [
    (['--networks=gln9'], 'config.network'), (['--scales=3'], 'config.scale'), (['--batch-sizes=3'], '--batch-sizes')])
def test_what_cannot_be_measured_is_said(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(speed, 'SECONDS_EACH', 0.0)
    with pytest.raises(SystemExit) as ended:
        speed.main(arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err
